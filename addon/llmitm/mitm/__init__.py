"""The proxy side: the only package that imports mitmproxy. `chain.py` is the list of its addons, in order."""
