from openai import AsyncOpenAI, OpenAI
from report import run

MESSAGES = [{"role": "user", "content": "Say héllo to the proxy 🎈"}]
TOOL = {
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
client = OpenAI(api_key="sk-none")


def chat():
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
    return answer.choices[0].message.content


def chat_stream():
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def chat_stream_with_usage():
    stream = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=MESSAGES,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert chunks[-1].usage is not None
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def chat_tools():
    tools = [{"type": "function", "function": TOOL}]
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, tools=tools)
    return answer.choices[0].message.tool_calls[0].function.arguments


def responses():
    answer = client.responses.create(model="gpt-5-mini", input="hello", reasoning={"effort": "low"})
    return answer.output_text


def responses_stream():
    stream = client.responses.create(model="gpt-5-mini", input="hello stream", stream=True)
    return "".join(e.delta for e in stream if e.type == "response.output_text.delta")


def responses_chained():
    first = client.responses.create(model="gpt-5-mini", input="one")
    second = client.responses.create(model="gpt-5-mini", input="two", previous_response_id=first.id)
    return second.output_text


def embeddings():
    client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])


async def chat_async():
    async with AsyncOpenAI(api_key="sk-none") as asynchronous:
        answer = await asynchronous.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    return answer.choices[0].message.content


async def chat_async_stream():
    async with AsyncOpenAI(api_key="sk-none") as asynchronous:
        stream = await asynchronous.chat.completions.create(
            model="gpt-4o", messages=MESSAGES, stream=True
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


run(
    chat,
    chat_stream,
    chat_stream_with_usage,
    chat_tools,
    responses,
    responses_stream,
    responses_chained,
    embeddings,
    chat_async,
    chat_async_stream,
)
