from mistralai.client import Mistral
from report import run

ASK = {
    "model": "mistral-small-latest",
    "messages": [{"role": "user", "content": "Say héllo to the proxy 🎈"}],
}
TOOL = {
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
client = Mistral(api_key="none")


def chat():
    return client.chat.complete(**ASK).choices[0].message.content


def chat_stream():
    with client.chat.stream(**ASK) as events:
        return "".join(event.data.choices[0].delta.content or "" for event in events)


def chat_tools():
    answer = client.chat.complete(**ASK, tools=[{"type": "function", "function": TOOL}])
    return answer.choices[0].message.tool_calls[0].function.arguments


def embeddings():
    client.embeddings.create(model="mistral-embed", inputs=["one", "two"])


async def chat_async():
    return (await client.chat.complete_async(**ASK)).choices[0].message.content


async def chat_async_stream():
    text = ""
    async for event in await client.chat.stream_async(**ASK):
        text += event.data.choices[0].delta.content or ""
    return text


run(chat, chat_stream, chat_tools, embeddings, chat_async, chat_async_stream)
