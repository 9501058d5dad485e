"""The demo, as a newcomer runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from harness import ProxyProcess
from llmitm.demo.calls import PROGRAMS
from llmitm.demo.provider import LocalProvider


def test_demo(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path), "LLMITM_HOME": str(tmp_path / "not-used")}
    done = subprocess.run(
        [sys.executable, "-m", "llmitm.cli", "demo"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("✓") >= len(PROGRAMS)
    assert "✗" not in done.stdout
    (database,) = tmp_path.glob("llmitm-demo-*/llmitm.db")
    assert str(database) in done.stdout.replace("\n", "")
    assert "Why is the sky blue?" in done.stdout
    assert not (tmp_path / "not-used").exists(), "the user's own home is left alone"


def test_demo_without_sdks(proxy: ProxyProcess, upstream: LocalProvider) -> None:
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({list(PROGRAMS)!r}))\n"
        "from llmitm.demo.calls import PROGRAMS\n"
        "for program in PROGRAMS.values(): program()"
    )
    subprocess.run([sys.executable, "-c", script], env=proxy.environment(), check=True, timeout=60)
    rows = proxy.wait_for_rows(len(upstream.log))
    assert {row["provider"] for row in rows} == {"openai", "anthropic", "gemini"}
    assert {row["client"] for row in rows} == {f"Python-urllib/3.{sys.version_info.minor}"}
    assert {row["outcome"] for row in rows} == {"ok"}
