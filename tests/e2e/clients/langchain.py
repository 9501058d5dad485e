from langchain_openai import ChatOpenAI
from report import run

model = ChatOpenAI(model="gpt-4o-mini", api_key="sk-none")


def invoke():
    return model.invoke("Hello from LangChain").content


def stream():
    return "".join(chunk.content for chunk in model.stream("Hello from LangChain"))


run(invoke, stream)
