"""Imports only point down, and the contract that says so is really checked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from soleflip.config import PROJECT


def lint_imports(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_imports_only_point_down() -> None:
    done = lint_imports()
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_contract_refuses_what_is_there_when_it_is_turned_upside_down(tmp_path: Path) -> None:
    upside_down = tmp_path / "importlinter.ini"
    layers = "type = layers\nlayers =\n  soleflip.config\n  soleflip.factory\n"
    upside_down.write_text(
        f"[importlinter]\nroot_package = soleflip\n[importlinter:contract:1]\nname = upside down\n{layers}"
    )
    assert lint_imports("--config", str(upside_down)).returncode == 1
