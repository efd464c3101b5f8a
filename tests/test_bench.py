"""The benchmarks at a tiny size: every figure is taken, and the counts are what they must be; nothing is timed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import as_json, committed, table
from bench.figures import Figure
from bench.load import PAGES
from soleflip.config import PROJECT


def measure(module: str, *options: str, to: Path, patience: int) -> tuple[dict[str, Any], str]:
    """Run a benchmark to its end; returns what it wrote, and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", module, *options, "--json", str(to)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=patience,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(to.read_text("utf-8")), done.stdout


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a tiny run writes."""
    path: Path = tmp_path_factory.mktemp("bench") / "results.json"
    found, said = measure("bench", "--tiny", to=path, patience=240)
    assert str(path) in said
    return found


def test_the_file_says_what_was_measured_where(results: dict[str, Any]) -> None:
    assert set(results) == {"size", "seed", "taken_at", "machine", "figures"}
    assert results["size"] == "tiny"
    assert {"cores", "memory_gb", "python", "postgresql", "flask", "sqlalchemy"} <= set(results["machine"])
    for row in results["figures"]:
        assert set(row) == {"work", "what", "value", "unit", "most", "least", "verdict"}
        assert row["verdict"] in ("held", "missed", "-")
    assert len({(row["work"], row["what"]) for row in results["figures"]}) == len(results["figures"])


def test_no_goal_is_a_time(results: dict[str, Any]) -> None:
    for row in results["figures"]:
        if row["unit"] in ("s", "rows/s", "orders/s"):
            assert (row["most"], row["least"]) == (None, None)


def test_counts_are_what_they_must_be(results: dict[str, Any]) -> None:
    counts = ("rows", "days", "EUR", "requests", "changes", "answers")
    exact = [row for row in results["figures"] if row["unit"] in counts and row["verdict"] != "-"]
    assert len(exact) > 12
    # The planner reads a table of a thousand rows from end to end, rightly.
    missed = [row for row in exact if row["verdict"] == "missed" and "of opportunities read" not in row["what"]]
    assert missed == []


def test_statements_do_not_grow(results: dict[str, Any]) -> None:
    found = {row["what"]: row for row in results["figures"] if row["unit"] == "statements" and "list" in row["work"]}
    listings = next(row for what, row in found.items() if what.startswith("most statements"))
    assert listings["verdict"] == "held"
    assert found["statements of /inventory"]["verdict"] == "held"


def test_figures_are_compared_with_the_committed_ones_of_the_same_size(tmp_path: Path) -> None:
    path = tmp_path / "committed.json"
    path.write_text(json.dumps(as_json("quick", [Figure("work", "ratio", 0.5, "x", least=0.4)], {})), "utf-8")
    now = [Figure("work", "ratio", 0.25, "x", least=0.4)]
    last = table(now, committed("quick", path)).splitlines()[-1]
    assert "missed" in last
    assert last.endswith("x 0.50")
    assert committed("full", path) == {}
    assert committed("quick", tmp_path / "none.json") == {}


def test_a_small_crowd_gets_no_wrong_answer_while_workers_work(tmp_path: Path) -> None:
    size = ("--users", "2", "--seconds", "5", "--thinking", "0.5", "--rounds", "1", "--listings", "5")
    found, _ = measure("bench.load", *size, to=tmp_path / "load.json", patience=900)
    assert found["wrong"] == {}
    assert found["idle_empty"]["pages"] == found["idle_with_workers"]["pages"] == len(PAGES)
    assert found["crowd"]["pages"] > 1
    assert any('state="done"' in line for line in found["runs"])
