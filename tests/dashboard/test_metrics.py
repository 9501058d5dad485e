"""`/metrics`: told to whoever has the secret, and to nobody else."""

from __future__ import annotations

import re
import stat

from dashboard.serving import Client, serving
from llmitm.dashboard.shared import Dashboard
from llmitm.home import Home


def test_with_the_secret(logged: Home, shown: Dashboard) -> None:
    secret = logged.metrics_secret
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    answer = Client(shown.port).get("/metrics", Authorization=f"Bearer {secret.read_text()}")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert re.search(r'^llmitm_calls_total\{.*model="gpt', answer.body, re.MULTILINE)


def test_without_it(shown: Dashboard, client: Client) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
        answer = Client(shown.port).get("/metrics", **headers)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert client.get("/metrics").status == 401, "a person's cookie is for pages"
    assert Client(shown.port).get("/metrics", Host="evil.example").status == 421


def test_without_a_log(empty: Home) -> None:
    with serving(empty) as dashboard:
        secret = empty.metrics_secret.read_text()
        answer = Client(dashboard.port).get("/metrics", Authorization=f"Bearer {secret}")
    assert (answer.status, answer.body) == (200, "")
