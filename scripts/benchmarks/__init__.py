"""Benchmarks: proxies measured side by side in one run, on the same work, as ratios.

`scripts/bench` runs them. The upstream, the load generator and each proxy are processes of their own.
"""
