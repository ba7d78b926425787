"""A web server on the loopback address that serves one file, well or badly."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Manners:
    """How the server behaves, and what it was asked for.

    Parameters
    ----------
    cuts
        How many answers break off after half of what was asked for.
    ranges
        Whether it honours Range.
    pause_s
        Between two pieces of ``piece`` bytes.
    names_length
        Whether it says how much will come.
    """

    content: bytes
    cuts: int = 0
    ranges: bool = True
    status: int = 200
    pause_s: float = 0.0
    piece: int = 16_384
    names_length: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)
    """(path or whole address, Range) of each request."""


class Answer(BaseHTTPRequestHandler):
    """One request, answered by the server's manners."""

    def do_GET(self) -> None:
        """Send the file, or what is left of it."""
        manners: Manners = self.server.manners  # type: ignore[attr-defined]
        asked = self.headers.get("Range", "")
        manners.asked.append((self.path, asked))
        if manners.status != 200:
            self.send_error(manners.status)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and manners.ranges else 0
        total = len(manners.content)
        if start >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = manners.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if manners.names_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if manners.cuts:
            manners.cuts -= 1
            body = body[: len(body) // 2]
        self._send(body, manners)

    def _send(self, body: bytes, manners: Manners) -> None:
        try:
            for place in range(0, len(body), manners.piece):
                self.wfile.write(body[place : place + manners.piece])
                time.sleep(manners.pause_s)
        except OSError:
            self.close_connection = True  # whoever asked has gone

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


@contextmanager
def serving(manners: Manners) -> Iterator[str]:
    """A server with these manners; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    server.manners = manners  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
