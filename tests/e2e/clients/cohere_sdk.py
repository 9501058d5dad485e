import cohere
from report import run

ASK = {
    "model": "command-a-03-2025",
    "messages": [{"role": "user", "content": "Say héllo to the proxy 🎈"}],
}
TOOL = {
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
client = cohere.ClientV2(api_key="none")


def chat():
    return client.chat(**ASK).message.content[0].text


def chat_stream():
    stream = client.chat_stream(**ASK)
    return "".join(e.delta.message.content.text for e in stream if e.type == "content-delta")


def chat_tools():
    answer = client.chat(**ASK, tools=[{"type": "function", "function": TOOL}])
    return answer.message.tool_calls[0].function.arguments


def chat_stream_tools():
    stream = client.chat_stream(**ASK, tools=[{"type": "function", "function": TOOL}])
    events = [event for event in stream if event.type == "tool-call-delta"]
    return "".join(event.delta.message.tool_calls.function.arguments for event in events)


def embed():
    client.embed(
        model="embed-v4.0",
        texts=["one", "two"],
        input_type="search_query",
        embedding_types=["float"],
    )


async def chat_async():
    answer = await cohere.AsyncClientV2(api_key="none").chat(**ASK)
    return answer.message.content[0].text


run(chat, chat_stream, chat_tools, chat_stream_tools, embed, chat_async)
