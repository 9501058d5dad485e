from groq import AsyncGroq, Groq
from report import run

ASK = {
    "model": "llama-3.3-70b-versatile",
    "messages": [{"role": "user", "content": "Say héllo to the proxy 🎈"}],
}
client = Groq(api_key="none")


def chat():
    return client.chat.completions.create(**ASK).choices[0].message.content


def chat_stream():
    stream = client.chat.completions.create(**ASK, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


async def chat_async():
    async with AsyncGroq(api_key="none") as asynchronous:
        answer = await asynchronous.chat.completions.create(**ASK)
    return answer.choices[0].message.content


run(chat, chat_stream, chat_async)
