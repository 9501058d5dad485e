"""A local LLM provider, and the demo that runs real calls through the proxy against it.

It answers over real HTTPS in the shapes the providers document, so that the demo and the tests need no
key and no internet. It shares no parser with the rest of llmitm: a fault there cannot hide here.
"""
