"""The audit of dependencies: a known vulnerability fails the check, a list that is out of reach does not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from soleflip.config import PROJECT

SKIPPED = {"name": "flask", "skip_reason": "Dependency not found on PyPI and could not be audited: flask (3.1.3)"}
CLEAN = {"name": "flask", "version": "3.1.3", "vulns": []}
BAD = {"name": "rq", "version": "3.0.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.0.1"]}]}


@pytest.mark.parametrize(
    ("said", "status", "line"),
    [
        (json.dumps({"dependencies": [CLEAN]}), 0, "1 of 1 dependencies audited, 0 known"),
        (json.dumps({"dependencies": [CLEAN, SKIPPED, BAD]}), 1, "rq 3.0.0: PYSEC-1, mended in 3.0.1"),
        (json.dumps({"dependencies": [SKIPPED]}), 0, "NOT AUDITED"),
        ("", 0, "NOT AUDITED"),
    ],
)
def test_what_is_known_fails_and_what_is_not_is_said(said: str, status: int, line: str, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    audit = folder / "pip-audit"
    audit.write_text(f"#!/bin/sh\ncat <<'EOF'\n{said}\nEOF\n")
    audit.chmod(0o755)
    project = tmp_path / "project" / ".ci"
    project.mkdir(parents=True)
    shutil.copy(PROJECT / ".ci" / "audit", project / "audit")
    command = [str(folder / "python"), str(project / "audit")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == status, done.stdout + done.stderr
    assert line in done.stdout
