"""SoleFlip's entry: `create_app()` for gunicorn and flask; `python app.py` runs the whole local stack.

The stack: embedded servers where none are named, migrations, a first account, a seeded sandbox, and the processes
of the Procfile; until Ctrl-C or SIGTERM. What ends by itself once all are up is started again.
"""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from soleflip import local, processes
from soleflip.config import BadSetting, Settings, kept_secret, sandbox_port_file

if TYPE_CHECKING:
    from flask import Flask

PROJECT = Path(__file__).resolve().parent
READY_SECONDS = 90


class CannotRun(RuntimeError):
    """The stack cannot start or go on; the text says why and what to do."""


def create_app() -> "Flask":
    """The application, with its settings from the environment."""
    from soleflip import factory

    return factory.create_app(Settings.from_env())


def main() -> int:
    """Run the whole local stack; return the exit status."""
    _stop_on_signals()
    try:
        settings = Settings.from_env()
        with _only_one(settings), local.servers(settings) as servers, _undisturbed_end():
            _run(_with_free_ports(settings), servers)
    except (BadSetting, CannotRun, local.CannotStart) as error:
        print(f"\nSoleFlip stops: {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", flush=True)
    return 0


def _run(settings: Settings, servers: local.Servers) -> None:
    commands = processes.procfile(PROJECT / "Procfile")
    environ = _environ(settings)
    log = settings.data / "logs" / "soleflip.log"
    _do("Preparing the database", commands.pop("release"), environ)
    sign_in = _first_operator(settings)
    if settings.runs_sandbox:
        _seed_sandbox(settings, environ)
    else:
        commands.pop("sandbox", None)
    mark = processes.new_mark()
    _mark_file(settings).write_text(mark, "ascii")
    try:
        with processes.group(log, PROJECT, environ, mark) as group, _undisturbed_end():
            if settings.runs_sandbox:
                settings = _start_sandbox(settings, group, commands.pop("sandbox"))
            for name, command in commands.items():
                group.start(name, command, _environ(settings))
            _wait_until_ready(settings, group)
            _welcome(settings, sign_in, log)
            while True:
                for name in [*servers.revive(), *_revived(group)]:
                    print(f"{name} had ended and was started again. What was under way goes on.", flush=True)
                time.sleep(0.3)
    finally:
        _mark_file(settings).unlink(missing_ok=True)


def _do(what: str, command: str, environ: dict[str, str]) -> None:
    print(f"{what} ...", flush=True)
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec {command}"],
        cwd=PROJECT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CannotRun(f"`{command}` failed.\n{done.stdout.strip()[-4000:]}")


def _seed_sandbox(settings: Settings, environ: dict[str, str]) -> None:
    seeded = settings.data / "sandbox.seeded"
    if not seeded.exists():
        _do("Making a small StockX of our own", "flask sandbox seed --first", environ)
        seeded.touch()


def _environ(settings: Settings) -> dict[str, str]:
    """What the processes see: our environment, this Python's commands first, and the settings as they came out."""
    commands = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": os.pathsep.join([commands, os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "FLASK_APP": "app.py",
        "FLASK_SKIP_DOTENV": "1",  # the settings are those that this process was given
        "HOST": settings.host,
        "PORT": str(settings.port),
        "SANDBOX_PORT": str(settings.sandbox_port),
        "SOLEFLIP_DATA": str(settings.data),
    }


def _with_free_ports(settings: Settings) -> Settings:
    """Refuse a web port that is taken; move the sandbox aside when its usual port is, and nobody asked for it."""
    if not _is_free(settings.host, settings.port):
        raise CannotRun(
            f"port {settings.port} on {settings.host} is taken by another program. "
            f"Take another: PORT={settings.port + 100} make run"
        )
    if not settings.runs_sandbox:
        return settings
    if settings.sandbox_port != settings.port and _is_free("127.0.0.1", settings.sandbox_port):
        return settings
    return _with_another_sandbox_port(settings)


def _with_another_sandbox_port(settings: Settings) -> Settings:
    if os.environ.get("SANDBOX_PORT", "").strip():
        raise CannotRun(f"the sandbox's port {settings.sandbox_port} is taken. Set SANDBOX_PORT to a free one.")
    with socket.create_server(("127.0.0.1", 0)) as free:
        sandbox_port_file(settings.data).write_text(str(free.getsockname()[1]), "ascii")
    return Settings.from_env()


def _start_sandbox(settings: Settings, group: processes.Group, command: str) -> Settings:
    """Start the sandbox, on another port when somebody took its port meanwhile; return the settings it runs with."""
    for _attempt in range(5):
        process = group.start("sandbox", command, _environ(settings))
        deadline = time.monotonic() + READY_SECONDS
        while not process.ended:
            if process.listens_on(settings.sandbox_port):
                # Commands beside this stack find it there, whatever their environment says.
                sandbox_port_file(settings.data).write_text(str(settings.sandbox_port), "ascii")
                return settings
            if time.monotonic() > deadline:
                raise CannotRun(f"the sandbox did not start within {READY_SECONDS} seconds.\n{_last_lines(process)}")
            time.sleep(0.1)
        group.dismiss(process)
        if not any("already in use" in line for line in process.last_lines):
            raise CannotRun(f"the sandbox ended.\n{_last_lines(process)}")
        settings = _with_another_sandbox_port(settings)
    raise CannotRun("no port could be had for the sandbox. Set SANDBOX_PORT to a free one.")


def _is_free(host: str, port: int) -> bool:
    try:
        family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.create_server(address[:2], family=family):
            return True
    except socket.gaierror:
        raise CannotRun(f"HOST is {host!r}, which is no address of this machine. Try 127.0.0.1 or 0.0.0.0.") from None
    except OSError:
        return False


@contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """One stack for a data folder; what an earlier one left running when it was killed is ended first."""
    settings.data.mkdir(parents=True, exist_ok=True)
    with (settings.data / "run.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotRun(
                f"it runs already on the data in {settings.data}. For a second one set SOLEFLIP_DATA and PORT."
            ) from None
        with contextlib.suppress(FileNotFoundError):
            left = processes.end_marked(_mark_file(settings).read_text("ascii"), seconds=5)
            if left:
                print(f"Ended {left} processes that an earlier run left behind.", flush=True)
        yield


def _mark_file(settings: Settings) -> Path:
    return settings.data / "run.mark"


def _first_operator(settings: Settings) -> str:
    """Make the first account when there is none; return what to tell about signing in."""
    from soleflip import factory
    from soleflip.db import transaction
    from soleflip.services import accounts

    email = settings.operator_email or "operator@soleflip.test"
    password = settings.operator_password or kept_secret(settings.data, "operator_password", _new_password)
    app = factory.create_app(settings)
    with app.app_context(), transaction() as session:
        accounts.ensure_first_operator(session, email, password)
        if settings.operator_password is None and accounts.has_password(session, email, password):
            return f"{email} with the password {password}"
    return "with your own account"


def _new_password() -> str:
    import secrets

    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(5)) for _ in range(3))


def _wait_until_ready(settings: Settings, group: processes.Group) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        _check_alive(group)
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{_address(settings)}/readyz", timeout=5).ok:
                return
        if time.monotonic() > deadline:
            raise CannotRun(f"it did not get ready within {READY_SECONDS} seconds.\n{_last_lines(group.processes[0])}")
        time.sleep(0.2)


def _check_alive(group: processes.Group) -> None:
    ended = group.ended()
    if ended is not None:
        raise CannotRun(f"{ended.name} ended (status {ended.popen.returncode}).\n{_last_lines(ended)}")


def _revived(group: processes.Group) -> list[str]:
    try:
        return group.revive()
    except processes.KeepsEnding as error:
        raise CannotRun(f"{error}.\n{_last_lines(error.process)}") from None


def _last_lines(process: processes.Process) -> str:
    return "\n".join(f"  {process.name} | {line}" for line in process.last_lines)


def _address(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "[::]": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://{host}:{settings.port}"


def _welcome(settings: Settings, sign_in: str, log: Path) -> None:
    stockx = f"the sandbox, {settings.sandbox_speed:g} times as fast as life" if settings.sandbox else "live"
    print(f"\n  SoleFlip is ready:  {_address(settings)}")
    print(f"  Sign in:            {sign_in}")
    print(f"  StockX:             {stockx}")
    print(f"  Log:                {log}")
    print("\nStop with Ctrl-C.", flush=True)


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _stop_on_signals() -> None:
    """Turn the first Ctrl-C, SIGTERM or hang-up into an orderly end."""

    def stop(_number: int, _frame: Any) -> None:
        _ignore_signals()
        print("\nStopping ...", flush=True)
        raise KeyboardInterrupt

    for number in _SIGNALS:
        signal.signal(number, stop)


def _ignore_signals() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def _undisturbed_end() -> Iterator[None]:
    """Whatever ends the block, no signal interrupts the clearing up that follows."""
    try:
        yield
    finally:
        _ignore_signals()


if __name__ == "__main__":
    sys.exit(main())
