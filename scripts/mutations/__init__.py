"""Hostile input: real exchanges, mutated, read as the proxy reads them.

An input is told by its name, `SOURCE#NUMBER`, and the seed of the run: the same two give the same bytes.
"""
