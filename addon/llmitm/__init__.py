"""llmitm: LLM in the middle. See, price and log every LLM call of an app, without changing the app."""

__version__ = "0.1.0"
