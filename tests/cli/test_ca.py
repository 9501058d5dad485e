"""`llmitm ca`."""

from __future__ import annotations

import json
from pathlib import Path

from cli.conftest import CommandLine


def test_path_makes_what_it_names(llmitm: CommandLine) -> None:
    certificate = Path(llmitm("ca", "path").stdout.strip())
    bundle = Path(llmitm("ca", "path", "--bundle").stdout.strip())
    assert certificate == llmitm.home.ca_certificate
    assert bundle.read_text().endswith(certificate.read_text())


def test_shows_what_it_can_sign_for(llmitm: CommandLine) -> None:
    about = json.loads(llmitm("ca", "show", "--json").stdout)
    assert "api.openai.com" in about["signs_for"]
    assert Path(about["key"]).is_file()
    text = llmitm("ca", "show").stdout
    assert about["sha256"] in text
    assert "api.anthropic.com" in text


def test_a_host_of_ones_own_is_added_to_settings_and_ca(llmitm: CommandLine) -> None:
    llmitm.home.settings.write_text("# mine\n[proxy]\nport = 9000\n")
    done = llmitm("ca", "add-host", "*.llm.example.com")
    assert done.returncode == 0, done.stderr
    assert llmitm.home.settings.read_text().startswith("# mine\n[proxy]\nport = 9000\n")
    assert "llm.example.com" in json.loads(llmitm("ca", "show", "--json").stdout)["signs_for"]
    assert "already" in llmitm("ca", "add-host", "*.llm.example.com").stdout


def test_a_known_provider_lends_its_dialects(llmitm: CommandLine) -> None:
    assert llmitm("ca", "add-host", "10.1.2.3", "--provider", "anthropic").returncode == 0
    assert "10.1.2.3/32" in json.loads(llmitm("ca", "show", "--json").stdout)["signs_for"]


def test_what_would_open_too_much_changes_nothing(llmitm: CommandLine) -> None:
    for host in ("*.com", "not a host"):
        done = llmitm("ca", "add-host", host)
        assert done.returncode in (1, 2)
        assert len(done.stderr.splitlines()) == 1
    assert not llmitm.home.settings.exists()


def test_rotate_and_remove(llmitm: CommandLine) -> None:
    before = json.loads(llmitm("ca", "show", "--json").stdout)["sha256"]
    assert llmitm("ca", "rotate").returncode == 0
    assert json.loads(llmitm("ca", "show", "--json").stdout)["sha256"] != before
    assert llmitm("ca", "remove").returncode == 0
    assert not llmitm.home.ca.exists()
    assert not llmitm.home.bundle.exists()


def test_is_not_removed_while_a_proxy_uses_it(beside_proxy: CommandLine) -> None:
    done = beside_proxy("ca", "remove")
    assert done.returncode == 1
    assert "end it first" in done.stderr
    assert beside_proxy.home.ca.exists()
