"""A gate between a program and a server of its own: it can be shut, opened and made slow while both run."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Gate:
    """Passes on what it gets; shut, it drops whoever is inside and lets nobody in."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._inside: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._open = True
        self.delay = 0.0
        self.passed = 0
        threading.Thread(target=self._welcome, daemon=True).start()

    def shut(self) -> None:
        """Drop everybody, and refuse who comes."""
        with self._lock:
            self._open = False
            dropped, self._inside = self._inside, set()
        for end in dropped:
            _close(end)

    def open(self) -> None:
        """Let them in again."""
        self._open = True

    def close(self) -> None:
        """End for good."""
        self.shut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _welcome(self) -> None:
        while True:
            try:
                guest, _ = self._listener.accept()
            except OSError:
                return
            if not self._open:
                _close(guest)
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._target)
            with self._lock:
                self._inside |= {guest, server}
            for source, sink in ((guest, server), (server, guest)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(65_536):
                time.sleep(self.delay)
                self.passed += 1
                sink.sendall(part)
        for end in (source, sink):
            with self._lock:
                self._inside.discard(end)
            _close(end)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def gate(target: str) -> Iterator[Gate]:
    """A gate before the Unix socket of a server."""
    made = Gate(target)
    try:
        yield made
    finally:
        made.close()
