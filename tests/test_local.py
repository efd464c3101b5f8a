"""The embedded servers: found again after every kind of end, shared by processes, out of each other's way."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from soleflip import local
from soleflip.config import PROJECT, Settings, postgres_socket, valkey_socket
from soleflip.embedded.postgres import Postgres
from soleflip.embedded.process import become

# Counts how often it was run, in both servers; says when it is ready, and ends when its input does.
VISITOR = """
import sys, psycopg, redis
from soleflip import local
from soleflip.config import Settings
settings = Settings.from_env()
with local.servers(settings):
    with psycopg.connect(settings.database_url.replace("+psycopg", "")) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(1)")  # two that make one table at once collide
        connection.execute("CREATE TABLE IF NOT EXISTS visit (at timestamptz DEFAULT now())")
        connection.execute("INSERT INTO visit DEFAULT VALUES")
        visits = connection.execute("SELECT count(*) FROM visit").fetchone()[0]
    with redis.Redis.from_url(settings.redis_url) as client:
        visited = client.incr("visits")
    print(visits, visited, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder with a short path, emptied of processes and files afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="soleflip-local-"))
    folder.chmod(0o755)
    yield folder
    for process in server_processes(folder):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    shutil.rmtree(folder)


def visitor(data: Path, prefix: Sequence[str] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", VISITOR],
        cwd="/",
        env={"SOLEFLIP_DATA": str(data), "PATH": os.environ["PATH"], "PYTHONPATH": import_path()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def import_path() -> str:
    return os.pathsep.join([str(PROJECT), *(path for path in sys.path if path.endswith("site-packages"))])


def visit(data: Path) -> tuple[int, int]:
    """Run a visitor from start to end; returns what it counted in PostgreSQL and in Valkey."""
    with visitor(data) as process:
        output, errors = process.communicate("", timeout=120)
    assert process.returncode == 0, errors
    visits, visited = output.split()
    return int(visits), int(visited)


def ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        pytest.fail(process.communicate()[1])
    return line


def server_processes(data: Path) -> list[psutil.Process]:
    """The embedded servers of a data folder: PostgreSQL with its children, and Valkey."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if process.status() != psutil.STATUS_ZOMBIE and (
                f"-D {data}/postgres" in line or f"unixsocket:{valkey_socket(data)}" in line
            ):
                found += [process, *process.children(recursive=True)]
    return found


def test_a_second_start_finds_its_data_again(data: Path) -> None:
    assert visit(data) == (1, 1)
    assert server_processes(data) == []
    assert visit(data) == (2, 2)
    assert server_processes(data) == []


def test_nothing_is_started_for_servers_of_ones_own(data: Path) -> None:
    own = {"DATABASE_URL": "postgresql://host/name", "REDIS_URL": "redis://host/0", "SOLEFLIP_DATA": str(data)}
    with local.servers(Settings.from_env(own)):
        assert not (data / "postgres").exists()
        assert not (data / "valkey").exists()


def test_everything_killed_at_once_starts_again_with_its_data(data: Path) -> None:
    with visitor(data) as process:
        ready(process)
        for killed in [psutil.Process(process.pid), *server_processes(data)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                killed.kill()
    counted = visit(data)
    assert counted[0] == 2  # what PostgreSQL confirmed is there; Valkey may lose its last second
    assert server_processes(data) == []


def test_servers_that_outlive_their_starter_are_used_and_then_stopped(data: Path) -> None:
    with visitor(data) as process:
        ready(process)
        process.kill()
    before = {process.pid for process in server_processes(data)}
    assert before
    assert visit(data) == (2, 2)
    assert server_processes(data) == []


def test_the_last_to_leave_stops_the_servers(data: Path) -> None:
    with visitor(data) as first, visitor(data) as second:
        assert sorted([ready(first), ready(second)]) == ["1 1", "2 2"]
        first.communicate("", timeout=60)
        assert visit(data) == (3, 3)
        assert server_processes(data) != []
        second.communicate("", timeout=60)
    assert server_processes(data) == []


def test_two_data_folders_are_served_at_the_same_time(data: Path) -> None:
    folders = [data / "one", data / "two"]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(visit, folders)) == [(1, 1), (1, 1)]
    assert [visit(folder) for folder in folders] == [(2, 2), (2, 2)]


def test_a_lock_file_whose_number_went_to_another_process_does_not_stop_a_start(data: Path) -> None:
    assert visit(data) == (1, 1)
    lock = f"{os.getpid()}\n{data}/postgres\n1\n5432\n{data}/postgres\n\n 1 1\nready\n"
    (data / "postgres" / "postmaster.pid").write_text(lock)
    (data / "postgres" / ".s.PGSQL.5432.lock").write_text(lock)
    (data / "valkey" / "valkey.sock").unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(data / "valkey" / "valkey.sock"))  # a socket nobody listens on
    assert visit(data) == (2, 2)


def test_a_first_start_that_was_killed_half_way_is_begun_anew(data: Path) -> None:
    half = data / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    assert visit(data) == (1, 1)


def test_files_of_another_version_are_refused_and_kept(data: Path) -> None:
    visit(data)
    (data / "postgres" / "PG_VERSION").write_text("14\n")
    with pytest.raises(local.CannotStart, match="made by PostgreSQL 14"), local.servers(settings_for(data)):
        pass
    assert (data / "postgres" / "base").is_dir()


@pytest.mark.parametrize("name", ["d" * 150, 'it\'s 100% "odd" $HOME `&`'])
def test_a_data_folder_may_have_any_name(data: Path, name: str) -> None:
    folder = data / name
    with local.servers(settings_for(folder), durable=False):
        with psycopg.connect(settings_for(folder).database_url.replace("+psycopg", "")) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("off",)
        with redis.Redis.from_url(settings_for(folder).redis_url) as client:
            assert client.ping()
    assert not (postgres_socket(folder) / ".s.PGSQL.5432").exists()
    assert not valkey_socket(folder).exists()
    assert postgres_socket(folder) == folder / "postgres" or not postgres_socket(folder).exists()


def test_the_servers_listen_on_no_port_and_let_in_only_their_owner(data: Path) -> None:
    with local.servers(settings_for(data), durable=False):
        ports = [c for process in server_processes(data) for c in process.net_connections("inet")]
        assert ports == []
        for folder in (data / "postgres", data / "valkey"):
            assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_process_without_handlers_leaves_servers_that_the_next_one_takes_over(data: Path, ending: int) -> None:
    with visitor(data) as process:
        ready(process)
        process.send_signal(ending)
        process.communicate(timeout=60)
    assert visit(data) == (2, 2)
    assert server_processes(data) == []


def test_an_ordinary_user_can_start_it(data: Path) -> None:
    if os.geteuid() != 0:
        assert visit(data) == (1, 1)
        return
    user = pwd.getpwnam("daemon")
    folder = data / "theirs"
    folder.mkdir()
    os.chown(folder, user.pw_uid, user.pw_gid)
    # Not root any more, but able to enter the folders this Python may be in.
    with visitor(
        folder, become(user.pw_uid, Path(sys.executable).resolve(), PROJECT / "app.py", Path(redis.__file__))
    ) as process:
        output, errors = process.communicate("", timeout=120)
    assert output == "1 1\n", errors
    assert (folder / "postgres").stat().st_uid == user.pw_uid
    # Root then takes part with that user's rights on the files.
    assert visit(folder) == (2, 2)


def test_root_needs_no_open_folders(data: Path) -> None:
    if os.geteuid() != 0:
        assert Postgres(data)._prefix == ()
        return
    closed = data / "closed"
    closed.mkdir(mode=0o700)
    assert visit(closed / "data") == (1, 1)
    assert closed.stat().st_mode & 0o777 == 0o700
    assert (closed / "data" / "postgres").stat().st_uid != 0


def settings_for(data: Path) -> Settings:
    return Settings.from_env({"SOLEFLIP_DATA": str(data)})
