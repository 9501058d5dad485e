"""What is secret goes to the provider and nowhere else: not to the log, not to the console, not to any file of ours."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path

from harness import running_proxy
from llmitm.demo.provider import LocalProvider
from llmitm.home import Home

_MARK = "S3cr3tValueThatMustNotBeKept"
_HEADERS = {
    "authorization": f"Bearer sk-{_MARK}01",
    "x-api-key": f"sk-ant-{_MARK}02",
    "api-key": f"{_MARK}03",
    "x-goog-api-key": f"AIza{_MARK}04",
    "xi-api-key": f"{_MARK}05",
    "cookie": f"session={_MARK}06",
    "proxy-authorization": f"Basic {_MARK}07",
    "helicone-auth": f"Bearer sk-helicone-{_MARK}08",
    "x-amz-security-token": f"{_MARK}09",
    "openai-organization": "org-1",
}
_HOSTS = {
    "api.openai.com": "/v1/chat/completions",
    "api.anthropic.com": "/v1/messages",
    "generativelanguage.googleapis.com": f"/v1beta/models/gemini-2.5-flash:generateContent?key=AIza{_MARK}10&x=1",
}
_ODD_PATHS = (
    f"/v1/models?api_key={_MARK}11",
    f"/v1/responses/resp_1?access_token={_MARK}12",
    f"/unheard-of?sig={_MARK}13&signature={_MARK}14&token={_MARK}15",
)


def test_no_secret_is_written_anywhere(local_provider: LocalProvider, tmp_path: Path) -> None:
    folder = Home(tmp_path / "llmitm")
    local_provider.log.clear()
    with running_proxy("llmitm", folder, local_provider) as proxy:
        context = ssl.create_default_context(cafile=str(folder.ca_certificate))
        asked = 0
        for host, path in _HOSTS.items():
            # The provider's error repeats the key, as OpenAI's does; the prompt has another one in it.
            for model in ("gpt-4o-mini", "demo-error-401"):
                said = f"my key is sk-proj-{_MARK}16abcdef, says {_HEADERS['authorization']}"
                body = {
                    "model": model,
                    "max_tokens": 5,
                    "messages": [{"role": "user", "content": said}],
                    "contents": [{"role": "user", "parts": [{"text": said}]}],
                    "metadata": {"user_id": f"sk-{_MARK}17abcdefgh"},
                }
                for target in (path, *_ODD_PATHS):
                    connection = http.client.HTTPSConnection(
                        "127.0.0.1", proxy.port, context=context
                    )
                    connection.set_tunnel(host, 443)
                    connection.request("POST", target, json.dumps(body), _HEADERS)
                    connection.getresponse().read()
                    connection.close()
                    asked += 1
        proxy.wait_for_rows(asked)
        proxy.stop()
        sent = str([entry.headers for entry in local_provider.log])
    assert f"{_MARK}01" in sent
    assert "helicone" not in sent.lower()
    written = [file for file in folder.folder.rglob("*") if file.is_file()]
    assert folder.database in written
    for file in written:
        assert _MARK.encode() not in file.read_bytes(), file
