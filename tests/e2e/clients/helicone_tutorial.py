"""What Helicone's tutorials do with the OpenAI SDK; which of it is the program's argument."""

import json
import os
import sys

import openai
from openai import OpenAI

MESSAGES = [{"role": "user", "content": "Hello, world!"}]
APP_KEY = "0123456789abcdef-of-the-app"


def client(base_url=None, **more):
    key = os.environ["HELICONE_API_KEY"]
    options = {"base_url": base_url or os.environ["BASE_URL"], "api_key": key, "max_retries": 0}
    return OpenAI(**(options | more))


def text(answer):
    return answer.choices[0].message.content


def first_call():
    return text(client().chat.completions.create(model="gpt-4o-mini", messages=MESSAGES))


def models_of_others():
    names = ("claude-4.5-sonnet", "llama-3.3-70b-versatile/groq")
    return [text(client().chat.completions.create(model=m, messages=MESSAGES)) for m in names]


def stream():
    chunks = client().chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def agent():
    plan = "Plan."
    for step in ("plan", "write"):
        answer = client().chat.completions.create(
            model="gpt-4o-mini",
            messages=[*MESSAGES, {"role": "assistant", "content": plan}, *MESSAGES],
            extra_headers={
                "Helicone-Property-Workflow": "research_agent",
                "Helicone-Property-Step": step,
                "Helicone-Property-UserId": "alice",
            },
        )
        plan = text(answer)
    return plan


def cached():
    told = {"Helicone-Cache-Enabled": "true", "Cache-Control": "max-age=3600"}
    found = []
    for _ in range(2):
        raw = client().chat.completions.with_raw_response.create(
            model="gpt-4o-mini", messages=MESSAGES, extra_headers=told
        )
        found.append({"cache": raw.headers.get("helicone-cache"), "text": text(raw.parse())})
    return found


def retried():
    raw = client().chat.completions.with_raw_response.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "Retried"}],
        extra_headers={
            "Helicone-Retry-Enabled": "true",
            "Helicone-Retry-Num": "3",
            "Helicone-Retry-Factor": "2",
            "Helicone-Retry-Min-Timeout": "10",
            "x-demo": "error-429,times-2",
        },
    )
    return {"text": text(raw.parse()), "retries": raw.headers.get("helicone-retry-count")}


def fallback():
    status = os.environ["STATUS"]
    try:
        raw = client().chat.completions.with_raw_response.create(
            model=f"demo-error-{status}/openai",
            messages=[{"role": "user", "content": f"Fallback at {status}"}],
            extra_headers={
                "Helicone-Fallback-Model": "gpt-4o-mini",
                "Helicone-Fallback-OnCodes": "429,500,503",
            },
        )
    except openai.APIStatusError as error:
        return {"error": error.status_code}
    headers = raw.headers
    return {
        "text": text(raw.parse()),
        "index": headers.get("helicone-fallback-index"),
        "model": headers.get("helicone-fallback-model"),
    }


def older_hosts():
    from anthropic import Anthropic

    auth = {"Helicone-Auth": f"Bearer {os.environ['HELICONE_API_KEY']}"}
    for base, model, more in (
        ("https://oai.helicone.ai/v1", "gpt-4o-mini", {}),
        ("https://oai.hconeai.com/v1", "gpt-4o-mini", {}),
        ("https://groq.helicone.ai/openai/v1", "llama-3.3-70b-versatile", {}),
        (
            "https://gateway.helicone.ai/openai/v1",
            "llama-3.3-70b-versatile",
            {"Helicone-Target-URL": "https://api.groq.com"},
        ),
    ):
        sdk = client(base, api_key=APP_KEY, default_headers={**auth, **more})
        sdk.chat.completions.create(model=model, messages=MESSAGES)
    claude = Anthropic(
        base_url="https://anthropic.helicone.ai", api_key=APP_KEY, default_headers=auth
    )
    claude.messages.create(model="claude-sonnet-4-6", max_tokens=20, messages=MESSAGES)


def elsewhere():
    def refused(base, model, **told):
        try:
            client(base).chat.completions.create(model=model, messages=MESSAGES, extra_headers=told)
        except openai.APIStatusError as error:
            return error.status_code, error.message

    gateway = "https://gateway.helicone.ai/v1"
    bad = {"Helicone-Target-URL": "https://llm.example.com"}
    return {
        "unknown model": refused(None, "gtp-4o-mini"),
        "no target": refused(gateway, "gpt-4o-mini"),
        "bad target": refused(gateway, "gpt-4o-mini", **bad),
        "models": [model.id for model in client().models.list()],
    }


print(json.dumps(globals()[sys.argv[1]]()))
