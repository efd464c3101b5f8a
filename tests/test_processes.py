"""Processes of a group live together and end together, whatever they do about it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from soleflip import processes
from soleflip.processes import MARK, Group

SLEEPER = f"{sys.executable} -c 'import time; print(\"up\", flush=True); time.sleep(600)'"
DEAF = (
    f"{sys.executable} -c 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    ' print("up", flush=True); time.sleep(600)\''
)
# Leaves behind a child in a process group of its own, as an RQ worker does with a job.
PARENT = (
    f"{sys.executable} -c 'import subprocess, sys, time;"
    ' subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0);'
    ' print("up", flush=True); time.sleep(600)\''
)


@pytest.fixture
def mark() -> Iterator[str]:
    mark = processes.new_mark()
    yield mark
    for process in carriers(mark):
        process.kill()


@pytest.fixture
def group(tmp_path: Path, mark: str) -> Iterator[Group]:
    with processes.group(tmp_path / "logs" / "all.log", tmp_path, {"PATH": os.defpath}, mark) as started:
        yield started


def carriers(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def wait_until(fact: Callable[[], object], seconds: float = 400) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def test_output_goes_to_the_log_under_the_processs_name(group: Group, tmp_path: Path) -> None:
    speaker = group.start("speaker", "printf 'one\\ntwo \\377\\n'")
    wait_until(lambda: speaker.ended)
    group.stop(5)
    lines = (tmp_path / "logs" / "all.log").read_text("utf-8").splitlines()
    assert len(lines) == 2
    assert all("speaker" in line for line in lines)
    assert lines[0].endswith("one")
    assert lines[1].endswith("two \ufffd")
    assert list(speaker.last_lines) == ["one", "two \ufffd"]


def test_the_first_to_end_is_found(group: Group) -> None:
    group.start("sleeper", SLEEPER)
    assert group.ended() is None
    failing = group.start("failing", "false")
    wait_until(lambda: failing.ended)
    assert group.ended() is failing
    assert failing.popen.returncode == 1


def test_what_was_killed_is_started_again_with_its_own_variables(group: Group) -> None:
    speaker = group.start("speaker", "sh -c 'echo $WORD; exec sleep 600'", {"WORD": "here"})
    wait_until(lambda: "here" in speaker.last_lines)
    assert group.revive() == []
    speaker.popen.kill()
    wait_until(lambda: speaker.ended)
    again: list[str] = []
    wait_until(lambda: again.extend(group.revive()) or again)
    assert again == ["speaker"]
    (running,) = group.processes
    assert running is not speaker
    wait_until(lambda: "here" in running.last_lines)


def test_what_cannot_run_is_given_up(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "FIRST_PAUSE", 0.001)
    group.start("failing", "sh -c 'echo no such thing; exit 3'")
    starts: list[str] = []

    def gives_up() -> bool:
        try:
            starts.extend(group.revive())
        except processes.KeepsEnding as error:
            return "failing ended 7 times" in str(error)
        return False

    wait_until(gives_up)
    assert starts == ["failing"] * processes.MOST_ENDS


@pytest.mark.parametrize("command", [SLEEPER, DEAF, PARENT])
def test_stop_ends_every_process_and_what_it_started(group: Group, mark: str, command: str) -> None:
    started = [group.start("one", command), group.start("two", SLEEPER)]
    wait_until(lambda: all("up" in process.last_lines for process in started))
    assert len(carriers(mark)) >= 2
    group.stop(0.5)
    assert carriers(mark) == []


def test_what_outlived_its_supervisor_is_found_by_its_mark(mark: str) -> None:
    environ = {MARK: mark, "PATH": os.defpath}
    command = ["/bin/sh", "-c", PARENT]
    with subprocess.Popen(command, env=environ, start_new_session=True, stdout=subprocess.PIPE) as left:
        assert left.stdout is not None
        left.stdout.readline()
        assert processes.end_marked(mark, seconds=2) >= 2
        assert carriers(mark) == []
        assert processes.end_marked(mark, seconds=2) == 0


def test_others_are_not_ended_by_the_mark(mark: str) -> None:
    with subprocess.Popen(["sleep", "600"], env={MARK: "another", "PATH": os.defpath}) as other:
        assert processes.end_marked(mark, seconds=1) == 0
        assert other.poll() is None
        other.kill()


def test_a_large_log_is_put_aside(tmp_path: Path, mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_LARGEST_LOG", 10)
    log = tmp_path / "all.log"
    log.write_text("more than ten characters")
    with processes.group(log, tmp_path, {}, mark):
        pass
    assert log.read_text() == ""
    assert (tmp_path / "all.old").read_text() == "more than ten characters"
