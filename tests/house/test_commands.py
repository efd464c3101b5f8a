"""What the Procfile and the Makefile promise is there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from soleflip import processes
from soleflip.config import PROJECT

BIN = Path(sys.executable).parent
COMMANDS = processes.procfile(PROJECT / "Procfile")


def test_the_procfile_has_every_process() -> None:
    assert set(COMMANDS) == {"release", "web", "worker", "quick", "scheduler", "sandbox"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_procfiles_command_exists(name: str, tmp_path: Path) -> None:
    words = shlex.split(COMMANDS[name])
    program = shutil.which(words[0], path=str(BIN))
    assert program is not None
    known = [program, "--help"] if words[0] != "flask" else [program, *words[1:], "--help"]
    done = subprocess.run(
        known,
        cwd=PROJECT,
        env={**os.environ, "SOLEFLIP_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_make_help_lists_every_command() -> None:
    done = subprocess.run(["make", "help"], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60)
    phony = re.search(r"^\.PHONY: (.*)$", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert phony is not None
    assert set(re.findall(r"make (\w+)", done.stdout)) == set(phony.group(1).split())


def test_requirements_are_pinned_and_installed() -> None:
    lines = [
        line
        for name in ("requirements.txt", "requirements-dev.txt")
        for line in (PROJECT / name).read_text("utf-8").splitlines()
        if line and not line.startswith(("#", "-r "))
    ]
    for line in lines:
        pinned = Requirement(line)
        assert re.fullmatch(r"==[0-9a-z.]+", str(pinned.specifier)), line
        if pinned.marker is None or pinned.marker.evaluate():
            assert pinned.specifier.contains(version(pinned.name)), line
