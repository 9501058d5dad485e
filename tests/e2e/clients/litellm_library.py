from litellm import acompletion, completion
from report import run

MESSAGES = [{"role": "user", "content": "Say héllo to the proxy 🎈"}]
MODELS = ("openai/gpt-4o-mini", "anthropic/claude-opus-4-6", "gemini/gemini-2.5-flash")


def _text(model):
    answer = completion(model=model, messages=MESSAGES, api_key="none", max_tokens=200)
    return answer.choices[0].message.content


def _streamed(model):
    stream = completion(model=model, messages=MESSAGES, api_key="none", max_tokens=200, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def openai():
    return _text(MODELS[0])


def openai_stream():
    return _streamed(MODELS[0])


def anthropic():
    return _text(MODELS[1])


def anthropic_stream():
    return _streamed(MODELS[1])


def gemini():
    return _text(MODELS[2])


def gemini_stream():
    return _streamed(MODELS[2])


async def _asked_async(model):
    answer = await acompletion(model=model, messages=MESSAGES, api_key="none", max_tokens=200)
    return answer.choices[0].message.content


async def openai_async():
    return await _asked_async(MODELS[0])


async def anthropic_async():
    return await _asked_async(MODELS[1])


run(
    openai,
    openai_stream,
    anthropic,
    anthropic_stream,
    gemini,
    gemini_stream,
    openai_async,
    anthropic_async,
)
