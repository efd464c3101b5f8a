"""What the documents name is there."""

from __future__ import annotations

import re

from soleflip.config import PROJECT

NAMED = re.compile(r"`([a-z_/]+\.py)::(test_[a-z0-9_]+)`")


def test_every_test_that_the_security_page_names_exists() -> None:
    named = NAMED.findall((PROJECT / "docs" / "security.md").read_text("utf-8"))
    assert len(named) > 30
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (path := PROJECT / "tests" / file).exists() or f"def {name}(" not in path.read_text("utf-8")
    ]
    assert missing == []


def test_every_threat_of_the_security_page_names_a_test() -> None:
    table = (PROJECT / "docs" / "security.md").read_text("utf-8").split("| threat |")[1].split("\n\n")[0]
    rows = table.splitlines()[2:]
    assert len(rows) > 25
    assert [row for row in rows if not NAMED.search(row)] == []
