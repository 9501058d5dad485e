import json

import requests  # noqa: TID251  (a client like any other here)
from report import run

URL = "https://api.openai.com/v1/chat/completions"
ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello from requests"}]}
session = requests.Session()
session.headers["authorization"] = "Bearer sk-none"


def post():
    return session.post(URL, json=ASK).json()["choices"][0]["message"]["content"]


def post_stream():
    text = ""
    with session.post(URL, json={**ASK, "stream": True}, stream=True) as answer:
        for line in answer.iter_lines():
            if line.startswith(b"data: {"):
                text += json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
    return text


run(post, post_stream)
