"""The processes of the Procfile on this machine: started together, logged in one file, stopped together."""

import contextlib
import os
import secrets
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psutil
from honcho.colour import get_colours
from honcho.environ import parse_procfile
from honcho.printer import Message, Printer

MARK = "SOLEFLIP_RUN"
_LARGEST_LOG = 20_000_000
SOON = 30.0
"""A process that ended sooner after its start, in seconds, may not be able to run at all."""
MOST_ENDS = 6
"""So many times in a row a process may end soon after its start."""
FIRST_PAUSE = 0.5
"""Seconds before a process that ended is started again; doubled each time it ends soon."""


class KeepsEnding(RuntimeError):
    """A process ends soon after every start."""

    def __init__(self, process: "Process", ends: int) -> None:
        super().__init__(f"{process.name} ended {ends} times, each time soon after its start")
        self.process = process


class Process:
    """One line of the Procfile, running."""

    def __init__(self, name: str, command: str, folder: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        self.command = command
        self.environ = environ
        self.begun = time.monotonic()
        self.last_lines: deque[str] = deque(maxlen=20)
        self.reader: threading.Thread | None = None
        # A session of its own: Ctrl-C reaches only us, and we decide in which order to stop.
        self.popen = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environ,
            start_new_session=True,
        )

    @property
    def ended(self) -> bool:
        """Has it ended, for whatever reason?"""
        return self.popen.poll() is not None

    def listens_on(self, port: int) -> bool:
        """Does this very process accept connections on a TCP port?"""
        try:
            connections = psutil.Process(self.popen.pid).net_connections("tcp")
        except psutil.Error:
            return False
        return any(c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port for c in connections)


class Group:
    """Processes that live and end together."""

    def __init__(self, log: Printer, folder: Path, environ: Mapping[str, str]) -> None:
        self._log = log
        self._folder = folder
        self._environ = environ
        self._colours = get_colours()
        self._writing = threading.Lock()
        self.processes: list[Process] = []
        self._ends: dict[str, int] = {}
        self._waiting: dict[str, float] = {}

    def start(self, name: str, command: str, environ: Mapping[str, str] | None = None) -> Process:
        """Start one process; its output goes to the log, line by line under its name. `environ` adds variables."""
        process = Process(name, command, self._folder, {**self._environ, **(environ or {})})
        self.processes.append(process)
        process.reader = threading.Thread(target=self._copy, args=(process, next(self._colours)), daemon=True)
        process.reader.start()
        return process

    def dismiss(self, process: Process) -> None:
        """Take a process that ended out of the group, once all it said is in the log."""
        self.processes.remove(process)
        if process.reader is not None:
            process.reader.join(5)

    def ended(self) -> Process | None:
        """The first process found to have ended by itself, if any has."""
        return next((process for process in self.processes if process.ended), None)

    def revive(self) -> list[str]:
        """Start again what ended by itself, each time after a longer pause; returns the names of what was started.

        Raises KeepsEnding for a process that ends soon after every start.
        """
        started = []
        for process in [each for each in self.processes if each.ended]:
            if process.name not in self._waiting:
                self._plan(process)
            if time.monotonic() >= self._waiting[process.name]:
                del self._waiting[process.name]
                self.dismiss(process)
                self.start(process.name, process.command, process.environ)
                started.append(process.name)
        return started

    def _plan(self, process: Process) -> None:
        """Write down when a process that ended is started again."""
        lived = time.monotonic() - process.begun
        ends = 1 if lived > SOON else self._ends.get(process.name, 0) + 1
        if ends > MOST_ENDS:
            raise KeepsEnding(process, ends)
        self._ends[process.name] = ends
        self._waiting[process.name] = time.monotonic() + FIRST_PAUSE * 2 ** (ends - 1)

    def stop(self, seconds: float) -> None:
        """End all: asked at first, killed when the time is up, with everything they started."""
        for process in self.processes:
            if not process.ended:
                process.popen.terminate()
        deadline = time.monotonic() + seconds
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.popen.wait(max(0.0, deadline - time.monotonic()))
        for process in self.processes:
            process.popen.kill()
            process.popen.wait()
        end_marked(self._environ[MARK], seconds=0)
        for process in self.processes:
            if process.reader is not None:
                process.reader.join(5)

    def _copy(self, process: Process, colour: str) -> None:
        assert process.popen.stdout is not None  # noqa: S101 - opened as a pipe above
        with process.popen.stdout as lines:
            for line in lines:
                process.last_lines.append(line.decode("utf-8", "replace").rstrip())
                with self._writing:
                    self._log.write(Message("line", line, datetime.now().astimezone(), process.name, colour))


@contextmanager
def group(log: Path, folder: Path, environ: Mapping[str, str], mark: str) -> Iterator[Group]:
    """A group of processes that is stopped, whatever happens, when the block ends.

    All of them carry `mark` in their environment, by which a later start finds what outlived a kill.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LARGEST_LOG:
        log.replace(log.with_suffix(".old"))
    with log.open("a", encoding="utf-8") as file:
        printer = Printer(file, width=9)
        printer._colours_supported = True  # a log to be read in a terminal
        started = Group(printer, folder, {**environ, MARK: mark})
        try:
            yield started
        finally:
            started.stop(10)


def new_mark() -> str:
    """A name for one run of the stack that no other run has."""
    return secrets.token_hex(16)


def end_marked(mark: str, seconds: float) -> int:
    """End every process that carries the mark, asked first and then killed; return how many there were."""
    found = [process for process in psutil.process_iter() if _carries(process, mark)]
    if seconds > 0:
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGTERM)
        psutil.wait_procs(found, timeout=seconds)
        found_still = [process for process in psutil.process_iter() if _carries(process, mark)]
    else:
        found_still = found
    for process in found_still:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(found_still, timeout=5)
    return len(found)


def procfile(path: Path) -> dict[str, str]:
    """The Procfile's commands by name."""
    return dict(parse_procfile(path.read_text("utf-8")).processes)


def _carries(process: psutil.Process, mark: str) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get(MARK) == mark
    except (psutil.Error, OSError):
        return False
