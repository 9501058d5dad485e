from anthropic import Anthropic, AsyncAnthropic
from report import run

ASK = {
    "model": "claude-opus-4-6",
    "max_tokens": 200,
    "messages": [{"role": "user", "content": "Say héllo to the proxy 🎈"}],
}
client = Anthropic(api_key="sk-ant-none")


def messages():
    return client.messages.create(**ASK).content[0].text


def messages_stream():
    with client.messages.stream(**ASK) as stream:
        return "".join(stream.text_stream)


def messages_gzip_stream():
    with client.messages.stream(**ASK, extra_headers={"x-demo": "gzip"}) as stream:
        return "".join(stream.text_stream)


def cached():
    system = [
        {
            "type": "text",
            "text": "You are long. " * 40,
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        }
    ]
    answer = client.messages.create(**ASK, system=system, extra_headers={"x-demo": "cached-8"})
    assert answer.usage.cache_read_input_tokens > 0
    assert answer.usage.cache_creation_input_tokens > 0
    return answer.content[0].text


def tools():
    tool = {
        "name": "weather",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
    with client.messages.stream(**ASK, tools=[tool]) as stream:
        return stream.get_final_message().content[0].input["city"]


async def messages_async_stream():
    async with (
        AsyncAnthropic(api_key="sk-ant-none") as asynchronous,
        asynchronous.messages.stream(**ASK) as stream,
    ):
        return "".join([text async for text in stream.text_stream])


run(messages, messages_stream, messages_gzip_stream, cached, tools, messages_async_stream)
