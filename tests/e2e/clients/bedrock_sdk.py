import json

import boto3
from report import run

MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
TEXT = "Say héllo to the proxy 🎈"
CONVERSE = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": TEXT}]}]}
MESSAGES = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 200,
    "messages": [{"role": "user", "content": TEXT}],
}
INVOKE = {"modelId": MODEL, "body": json.dumps(MESSAGES)}
TOOL = {
    "name": "weather",
    "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
TOOLS = {"tools": [{"toolSpec": TOOL}]}
client = boto3.client("bedrock-runtime", region_name="us-east-1")


def converse():
    return client.converse(**CONVERSE)["output"]["message"]["content"][0]["text"]


def converse_stream():
    events = client.converse_stream(**CONVERSE)["stream"]
    deltas = [e["contentBlockDelta"]["delta"] for e in events if "contentBlockDelta" in e]
    return "".join(delta["text"] for delta in deltas)


def converse_tools():
    answer = client.converse(**CONVERSE, toolConfig=TOOLS)
    return answer["output"]["message"]["content"][0]["toolUse"]["input"]["city"]


def converse_stream_tools():
    events = client.converse_stream(**CONVERSE, toolConfig=TOOLS)["stream"]
    deltas = [e["contentBlockDelta"]["delta"] for e in events if "contentBlockDelta" in e]
    return json.loads("".join(delta["toolUse"]["input"] for delta in deltas))["city"]


def invoke():
    return json.load(client.invoke_model(**INVOKE)["body"])["content"][0]["text"]


def invoke_stream():
    body = client.invoke_model_with_response_stream(**INVOKE)["body"]
    events = [json.loads(event["chunk"]["bytes"]) for event in body]
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    return "".join(delta["text"] for delta in deltas)


run(
    converse,
    converse_stream,
    converse_tools,
    converse_stream_tools,
    invoke,
    invoke_stream,
)
