import json

import aiohttp
from report import run

URL = "https://api.mistral.ai/v1/chat/completions"
ASK = {
    "model": "mistral-small-latest",
    "messages": [{"role": "user", "content": "Hello from aiohttp"}],
}
HEADERS = {"authorization": "Bearer none"}


async def post():
    async with (
        aiohttp.ClientSession(trust_env=True, headers=HEADERS) as session,
        session.post(URL, json=ASK) as answer,
    ):
        return (await answer.json())["choices"][0]["message"]["content"]


async def post_stream():
    text = ""
    async with (
        aiohttp.ClientSession(trust_env=True, headers=HEADERS) as session,
        session.post(URL, json={**ASK, "stream": True}) as answer,
    ):
        async for line in answer.content:
            if line.startswith(b"data: {"):
                choices = json.loads(line[6:])["choices"]
                text += (choices[0]["delta"].get("content") or "") if choices else ""
    return text


run(post, post_stream)
