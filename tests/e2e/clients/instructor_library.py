import instructor
from openai import OpenAI
from pydantic import BaseModel
from report import run


class Weather(BaseModel):
    city: str


client = instructor.from_openai(OpenAI(api_key="sk-none"))
ASK = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "How warm is it in Oslo?"}],
    "response_model": Weather,
}


def forced_tools():
    return client.chat.completions.create(**ASK).city


def forced_partial_tools():
    return list(client.chat.completions.create_partial(**ASK))[-1].city


run(forced_tools, forced_partial_tools)
