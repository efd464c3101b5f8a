"""`flask import-report` and `flask import-costs`, as they are typed: what was refused is said, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.services.test_reports import line, report


def typed(app: Any, *words: str) -> tuple[int, str]:
    """Type a command; returns its exit code and what it says."""
    done = app.test_cli_runner().invoke(args=list(words))
    return done.exit_code, done.output


def test_a_report_of_which_every_row_is_refused_says_where_and_fails(app: Any, tmp_path: Path) -> None:
    file = tmp_path / "report.csv"
    file.write_bytes(report(*(line(str(number), sold="yesterday") for number in range(12))).getvalue())
    code, said = typed(app, "import-report", str(file), "--dry-run")
    assert code == 1
    assert "Sale Date is 'yesterday'" in said
    assert said.count("  line ") == 10
    assert "and 2 more lines: --json FILE" in said
    assert "Every row was refused" in said


def test_one_refused_row_is_named_and_the_others_taken(app: Any, tmp_path: Path) -> None:
    file = tmp_path / "report.csv"
    file.write_bytes(report(line("1"), line("2", sold="yesterday")).getvalue())
    code, said = typed(app, "import-report", str(file))
    assert (code, said.count("  line ")) == (0, 1)
    assert "--json" not in said


@pytest.mark.parametrize(("rows", "expected"), [("A1,9,nothing,2024-01-01\n", 1), ("", 0)])
def test_costs_that_are_refused_are_named(app: Any, tmp_path: Path, rows: str, expected: int) -> None:
    file = tmp_path / "costs.csv"
    file.write_text("style,size,cost,date\n" + rows)
    code, said = typed(app, "import-costs", str(file))
    assert (code, said.count("  line ")) == (expected, expected)
