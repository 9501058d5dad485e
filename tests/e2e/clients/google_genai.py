from google import genai
from report import run

ASK = {"model": "gemini-2.5-flash", "contents": "Say héllo to the proxy 🎈"}
client = genai.Client(api_key="none")


def generate():
    return client.models.generate_content(**ASK).text


def generate_stream():
    return "".join(chunk.text or "" for chunk in client.models.generate_content_stream(**ASK))


def generate_thinking():
    config = {"thinking_config": {"include_thoughts": True}}
    return client.models.generate_content(**ASK, config=config).text


async def generate_async():
    answer = await client.aio.models.generate_content(**ASK)
    return answer.text


async def generate_async_stream():
    stream = await client.aio.models.generate_content_stream(**ASK)
    return "".join([chunk.text or "" async for chunk in stream])


run(generate, generate_stream, generate_thinking, generate_async, generate_async_stream)
