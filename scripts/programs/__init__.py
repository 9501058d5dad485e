"""Programs as users have them, each run once through `llmitm run`, its rows compared with what the provider sent.

`scripts/clients` runs them. They are installed first; then this process leaves every network but the loopback.
"""
