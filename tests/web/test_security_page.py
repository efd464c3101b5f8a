"""docs/security.md names tests; each of them exists."""

from __future__ import annotations

import re

from soleflip.config import PROJECT


def test_every_test_that_the_security_page_names_exists():
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (PROJECT / "docs/security.md").read_text("utf-8"))
    assert len(named) > 20
    missing = [
        f"{file}::{test}" for file, test in named if f"def {test}(" not in (PROJECT / "tests" / file).read_text("utf-8")
    ]
    assert missing == []
