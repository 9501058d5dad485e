from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from report import run

TEXT = "Say héllo to the proxy 🎈"
openai = OpenAIProvider(api_key="sk-none")
chat = Agent(OpenAIChatModel("gpt-4o-mini", provider=openai))
responses = Agent(OpenAIResponsesModel("gpt-5-mini", provider=openai))
anthropic = AnthropicProvider(api_key="sk-ant-none")
messages = Agent(AnthropicModel("claude-opus-4-6", provider=anthropic))


async def _streamed(agent):
    async with agent.run_stream(TEXT) as answer:
        return await answer.get_output()


async def openai_chat():
    return (await chat.run(TEXT)).output


async def openai_chat_stream():
    return await _streamed(chat)


async def openai_responses():
    return (await responses.run(TEXT)).output


async def openai_responses_stream():
    return await _streamed(responses)


async def anthropic_messages():
    return (await messages.run(TEXT)).output


async def anthropic_messages_stream():
    return await _streamed(messages)


async def agent_with_tools():
    agent = Agent(OpenAIChatModel("gpt-4o-mini", provider=openai))

    @agent.tool_plain
    def weather(city: str) -> str:
        return f"It rains in {city}"

    return (await agent.run("How warm is it in Oslo?")).output


run(
    openai_chat,
    openai_chat_stream,
    openai_responses,
    openai_responses_stream,
    anthropic_messages,
    anthropic_messages_stream,
    agent_with_tools,
)
