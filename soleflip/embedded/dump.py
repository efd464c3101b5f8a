"""PostgreSQL's own pg_dump and pg_restore: the wheel's, or those on the PATH, whichever fit the server."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from psycopg.conninfo import make_conninfo
from sqlalchemy import make_url

from soleflip.domain.errors import NeedsHuman
from soleflip.embedded.postgres import programs
from soleflip.embedded.process import CannotStart

_BLOCK = 1 << 20


def dump(database_url: str, *, server: int, snapshot: str) -> Iterator[bytes]:
    """Yield a dump in pg_dump's custom format, as of an exported snapshot. Raises NeedsHuman when it fails."""
    words, environ = _connection(database_url)
    arguments = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", *words]
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            [program("pg_dump", server), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=environ,
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101 - opened as a pipe above
        while block := process.stdout.read(_BLOCK):
            yield block
        if process.wait() != 0:
            complaints.seek(0)
            raise NeedsHuman(f"pg_dump failed: {complaints.read()[-2000:].decode('utf-8', 'replace').strip()}")


def restore(database_url: str, blocks: Iterable[bytes], *, server: int) -> None:
    """Fill an empty database from a dump. Raises NeedsHuman when pg_restore fails."""
    words, environ = _connection(database_url)
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            [program("pg_restore", server), "--no-owner", "--no-privileges", "--exit-on-error", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            env=environ,
        ) as process,
    ):
        assert process.stdin is not None  # noqa: S101 - opened as a pipe above
        try:
            for block in blocks:
                process.stdin.write(block)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it ended early and says why
        except BaseException:
            process.kill()
            raise
        if process.wait() != 0:
            complaints.seek(0)
            raise NeedsHuman(f"pg_restore failed: {complaints.read()[-2000:].decode('utf-8', 'replace').strip()}")


def program(name: str, server: int) -> str:
    """Return the path of the program for a server of that major version: the same one first, else a newer one.

    An older pg_dump refuses the server, and a newer pg_restore may say things an older server does not know.
    """
    found: dict[int, str] = {}
    for path in (*_on_path(name), *_of_wheel(name)):
        found.setdefault(_version(path), path)
    fitting = sorted(version for version in found if version >= server)
    if not fitting:
        raise NeedsHuman(
            f"No {name} of PostgreSQL {server} or newer was found. Install the client programs of your server's "
            f"version (Debian and Ubuntu: postgresql-client-{server}) and try again."
        )
    return found[fitting[0]]


def _of_wheel(name: str) -> Iterator[str]:
    try:
        path = programs() / name
    except CannotStart:
        return
    if path.is_file():
        yield str(path)


def _on_path(name: str) -> Iterator[str]:
    # Debian keeps the programs of every version apart; its wrapper on the PATH chooses by rules of its own.
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin")):
        if (folder / name).is_file():
            yield str(folder / name)
    path = shutil.which(name)
    if path is not None:
        yield path


def _version(path: str) -> int:
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    number = words[2].split(".")[0] if done.returncode == 0 and len(words) > 2 else ""
    return int(number) if number.isdigit() else 0


def _connection(database_url: str) -> tuple[list[str], dict[str, str]]:
    """Return the arguments and the environment that name a database; a password never stands on a command line."""
    url = make_url(database_url)
    named = {**url.translate_connect_args(username="user", database="dbname"), **url.query}
    password = named.pop("password", None)
    environ = {"PATH": os.defpath, "LC_ALL": "C", **({"PGPASSWORD": str(password)} if password else {})}
    return [f"--dbname={make_conninfo(**named)}"], environ
