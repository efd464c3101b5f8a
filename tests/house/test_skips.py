"""In the build no test skips silently."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from soleflip.config import PROJECT

SKIPPING = """
import pytest

@pytest.mark.skip("no time")
def test_marked(): ...

def test_called():
    pytest.skip("no browser")

def test_needs_real_data():
    pytest.skip("../shared is not there")

@pytest.mark.xfail(strict=True)
def test_known_to_fail():
    assert False
"""


@pytest.mark.parametrize(
    ("build", "counts"),
    [("true", {"failed": 1, "skipped": 1, "xfailed": 1, "error": 2}), ("", {"skipped": 4, "xfailed": 1})],
)
def test_only_missing_real_data_may_be_skipped_in_the_build(tmp_path: Path, build: str, counts: dict[str, int]) -> None:
    (tmp_path / "test_skipping.py").write_text(SKIPPING)
    (tmp_path / "test_module.py").write_text("import pytest\npytest.skip('later', allow_module_level=True)\n")
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", "--continue-on-collection-errors", "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", str(PROJECT / "pyproject.toml"), *options, str(tmp_path)],
        cwd=PROJECT,
        env={**os.environ, "CI": build},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    found = re.findall(r"(\d+) (failed|skipped|xfailed|errors?|passed)", done.stdout.splitlines()[-1])
    assert {name.removesuffix("s"): int(count) for count, name in found} == counts, done.stdout
    assert done.returncode == (1 if build else 0)
