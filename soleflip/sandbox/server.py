"""A small threaded HTTP/1.1 server for one world: one process, connections kept alive, stopped by a signal."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from . import document
from .messages import MOST_FEED_BYTES
from .world import World
from .wsgi import Sandbox


class BrokenBody(Exception):
    """A body in chunks that cannot be put together."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 600
    server: _Server

    def __getattr__(self, name: str) -> Any:
        # Which methods there are is for the document to say.
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        """Hand the request to the WSGI application and its answer to the socket."""
        if not self.headers.get("Content-Length", "0").isdecimal():
            self.send_error(400, "Content-Length must be a number")
            return
        try:
            body = b"".join(self.server.app(self._environ(), self._start))
            self.wfile.write(b"" if self.command == "HEAD" else body)
            self.wfile.flush()
        except BrokenBody:
            self.send_error(400, "The chunks of the body are broken")
        except OSError:
            # Cut on purpose by a fault, or the caller has gone.
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)

    def _start(self, status: str, headers: list[tuple[str, str]]) -> Any:
        code, _, phrase = status.partition(" ")
        self.send_response(int(code), phrase)
        for name, value in headers:
            self.send_header(name, value)
        if code == "413" or self.close_connection:
            # The body that was too large to read is still in the pipe: the connection cannot be used again.
            self.send_header("Connection", "close")
        self.end_headers()
        return self.wfile.write

    def _body(self) -> tuple[int, BufferedIOBase]:
        """The length of the body and where to read it from; a chunked one is put together first."""
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return int(self.headers.get("Content-Length", 0)), self.rfile
        body = bytearray()
        while size := self._chunk_size():
            body += self.rfile.read(size)
            if self.rfile.readline(8).strip() or len(body) > MOST_FEED_BYTES:
                raise BrokenBody
        self.rfile.readline(80)
        return len(body), BytesIO(bytes(body))

    def _chunk_size(self) -> int:
        digits = self.rfile.readline(80).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", digits) or int(digits, 16) > MOST_FEED_BYTES:
            raise BrokenBody
        return int(digits, 16)

    def _environ(self) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        length, body = self._body()
        environ = {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "SERVER_NAME": str(self.server.server_address[0]),
            "SERVER_PORT": str(self.server.server_address[1]),
            "wsgi.input": body,
        }
        environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self.headers.items()}
        return environ

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no HTTP at all hears so in the envelope of the interface."""
        body = json.dumps({"statusCode": int(code), "message": message or "Bad Request"}).encode()
        self.close_connection = True
        with contextlib.suppress(OSError):
            self._start(
                f"{int(code)} Error", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
            )
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The world keeps its own log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], app: Sandbox) -> None:
        self.app = app
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away is no error of ours; anything else is told."""
        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc(file=sys.stderr)


def serve(
    *,
    port: int,
    database: Path,
    speed: float = 60,
    seed: int = 1,
    control: bool = False,
    host: str = "127.0.0.1",
    limits: bool = True,
    jitter_ms: float = 0,
) -> None:
    """Serve the world in `database` until SIGTERM or SIGINT; `seed` counts only when the world is born.

    `speed` is sandbox seconds per real second, `limits` the master switch of the request limits, and `control`
    opens the control interface under /_sandbox/. `jitter_ms` forgives requests that come so many real milliseconds
    early on a clock faster than life. OSError when the port is taken, StoreUnusable when the file is.
    """
    world = World(database, seed=seed, speed=speed)
    world.settings.limits, world.settings.rate_jitter_ms = limits, float(jitter_ms)
    document.operations()
    try:
        with _Server((host, port), Sandbox(world, control=control)) as server:
            if threading.current_thread() is threading.main_thread():
                for name in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(name, lambda *_: _stop(world, server))
            server.serve_forever(poll_interval=0.2)
    finally:
        world.stopping.set()
        # Under the lock no answer is half-way; what was answered is in the file already.
        with world.lock:
            world.save()
            world.store.close()


def _stop(world: World, server: _Server) -> None:
    world.stopping.set()
    threading.Thread(target=server.shutdown, daemon=True).start()
