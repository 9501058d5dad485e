"""An upstream that answers with bytes that it is given, in the pieces that it is given them in."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from llmitm.calls import Exchange
from llmitm.demo.certificates import issue


class RawProvider:
    """Speaks HTTP/1.1 over TLS for some hosts. The header `x-case` of a request chooses its answer."""

    def __init__(self, folder: Path, hosts: Sequence[str], answers: Sequence[Exchange]) -> None:
        self.ca_file, context = issue(folder, hosts)
        context.set_alpn_protocols(["http/1.1"])
        self.received: dict[int, bytes] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(answers))
        self._server.daemon_threads = True
        self._server.socket = self._wrapped(context)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @contextlib.contextmanager
    def running(self) -> Iterator[RawProvider]:
        """Serve in a thread."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _wrapped(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        return context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )

    def _handler(self, answers: Sequence[Exchange]) -> type[BaseHTTPRequestHandler]:
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                case = int(self.headers["x-case"])
                received[case] = self.rfile.read(int(self.headers["content-length"]))
                answer = answers[case]
                self.send_response(answer.status or 200)
                for name in ("content-type", "content-encoding"):
                    for key, value in answer.response_headers:
                        if key.lower() == name:
                            self.send_header(key, value)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for chunk in answer.chunks:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_: object) -> None:
                pass

        return Handler
