"""The settings, the README's table of them and the code that reads them name the same variables."""

from __future__ import annotations

import inspect
import re

import soleflip.config
from soleflip.config import PROJECT, VARIABLES


def test_every_setting_is_in_the_readme() -> None:
    rows = [line for line in (PROJECT / "README.md").read_text("utf-8").splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", row.split("|")[1])}
    assert named == set(VARIABLES)


def test_the_settings_read_the_variables_they_name_and_no_others() -> None:
    source = inspect.getsource(soleflip.config.Settings.from_env) + inspect.getsource(soleflip.config._data_folder)
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', source))
    assert read == set(VARIABLES)


def test_nobody_else_reads_settings_from_the_environment() -> None:
    readers = {
        str(path.relative_to(PROJECT))
        for path in (PROJECT / "soleflip").rglob("*.py")
        if re.search(r"os\.getenv|os\.environ(\.get)?[\[(]", path.read_text("utf-8"))
    }
    assert readers <= {"soleflip/config.py"}
