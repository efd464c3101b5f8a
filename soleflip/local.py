"""The embedded stack: PostgreSQL and Valkey from Python wheels, for a machine that has nothing but Python.

Both listen on Unix sockets in folders only their owner can enter, so no port can be taken and no password is
needed; where they are follows from the data folder (see config), so every command finds what runs. Whoever needs
the servers holds a shared lock while it does; the last to leave stops them. The kernel drops the locks of a
process that was killed, so nothing has to be cleaned up by hand.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from soleflip.config import Settings
from soleflip.embedded.postgres import Postgres
from soleflip.embedded.process import CannotStart
from soleflip.embedded.valkey import Valkey

__all__ = ["CannotStart", "servers"]


class _Server(Protocol):
    @property
    def name(self) -> str: ...

    def is_running(self) -> bool: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Servers:
    """The embedded servers that a block has running."""

    def __init__(self, data: Path, wanted: Sequence[_Server]) -> None:
        self._data = data
        self._wanted = wanted

    def revive(self) -> list[str]:
        """Start again what was killed meanwhile; returns the names. Raises CannotStart."""
        if all(server.is_running() for server in self._wanted):
            return []
        with _alone(self._data):
            gone = [server for server in self._wanted if not server.is_running()]
            for server in gone:
                server.start()
        return [server.name for server in gone]


@contextmanager
def servers(settings: Settings, *, durable: bool = True) -> Iterator[Servers]:
    """Have the embedded servers running inside the block; do nothing for servers that the settings name.

    Starts what does not run, uses what runs, and stops both when nobody else uses them any more. Not `durable`
    (for tests) trades safety on a power cut for speed. Raises CannotStart.
    """
    wanted: list[_Server] = []
    if settings.embedded_database:
        wanted.append(Postgres(settings.data, durable=durable))
    if settings.embedded_queue:
        wanted.append(Valkey(settings.data, durable=durable))
    running = Servers(settings.data, wanted)
    if not wanted:
        yield running
        return
    settings.data.mkdir(parents=True, exist_ok=True)
    process = os.getpid()
    with _lock_file(settings.data / "users.lock") as users:
        try:
            with _alone(settings.data):
                fcntl.flock(users, fcntl.LOCK_SH)
                for server in wanted:
                    server.start()
            yield running
        finally:
            if os.getpid() == process:  # a forked child leaves the servers to its parent
                with _alone(settings.data):
                    if _nobody_else(users):
                        for server in reversed(wanted):
                            server.stop()


@contextmanager
def _lock_file(path: Path) -> Iterator[IO[str]]:
    try:
        file = path.open("a", encoding="utf-8")
    except PermissionError:
        raise CannotStart(
            f"{path.parent} belongs to another user. Start as that user, or point SOLEFLIP_DATA at a folder of yours."
        ) from None
    with file:
        yield file


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Only one process at a time starts or stops servers."""
    with _lock_file(data / "servers.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _nobody_else(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
