"""Replay from files: what is read, what is written, what is refused, and what it earns on real sales."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from soleflip.domain.errors import InvalidInput
from soleflip.services import replay

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "stockx-sales-2017-2019.csv.gz"
HEAD = "sold_on,brand,product,sale_price_usd,retail_price_usd,released_on,size_us,buyer_region\n"


def lines(days: int) -> list[str]:
    start = date(2018, 1, 1)
    return [f"{start + timedelta(days=day)},B,Shoe,{200 + day % 7}.0,150,2017-01-01,10.0,Ohio\n" for day in range(days)]


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    path = tmp_path / "sales.csv.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(HEAD + "".join(lines(120)))
    return path


def test_decisions_and_summary_are_written(sales: Path, tmp_path: Path) -> None:
    out, summary = tmp_path / "decisions.csv", tmp_path / "summary.json"
    report = replay.run(
        sales, "patient", settings_json='{"day_value": 0.5}', out=out, summary=summary, episodes=20, seed=3
    )
    with out.open(encoding="utf-8") as file:
        decisions = list(csv.DictReader(file))
    assert list(decisions[0]) == ["product", "size_us", "start", "day", "ask"]
    assert all(row["ask"].isdigit() and row["day"] >= row["start"] for row in decisions)
    assert json.loads(summary.read_text(encoding="utf-8")) == report
    assert set(report["results"]) == {"patient", "static", "follow"}
    figure = report["results"]["patient"]["profit_per_day"]
    assert all(isinstance(text, str) for text in figure.values())
    assert float(figure["low"]) <= float(figure["value"]) <= float(figure["high"])
    assert report["settings"]["day_value"] == "0.5"
    assert report["episodes"] == 20
    assert "patient earns" in replay.table(report)


def test_given_starts_are_run_as_given_even_near_the_end(sales: Path, tmp_path: Path) -> None:
    starts, out = tmp_path / "starts.csv", tmp_path / "decisions.csv"
    starts.write_text("product,size_us,start\nShoe,10,2018-01-03\nShoe,10.0,2018-05-20\nBoot,10,2018-05-20\n")
    report = replay.run(sales, "hold", settings_json="{}", out=out, starts=starts)
    assert report["episodes"] == 2
    assert report["left_out"][0]["product"] == "Boot"
    assert "Left out 1:" in replay.table(report)
    with out.open(encoding="utf-8") as file:
        decisions = list(csv.DictReader(file))
    assert decisions[0] == {
        "product": "Shoe",
        "size_us": "10",
        "start": "2018-01-03",
        "day": "2018-01-03",
        "ask": "201",
    }
    # The file ends before this start; nobody buys any more, and the ask stands for all 45 days.
    assert sum(row["start"] == "2018-05-20" for row in decisions) == 45


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sold_on,product\n", "no column size_us, sale_price_usd"),
        (HEAD + "2018-13-01,B,Shoe,200,1,2017-01-01,10,Ohio\n", "line 2, sold_on: '2018-13-01' is no day"),
        (
            HEAD + "".join(lines(1)) + "2018-01-01,B,Shoe,free,1,2017-01-01,10,Ohio\n",
            "line 3, sale_price_usd: 'free' is no price",
        ),
        (HEAD + "9999-12-31,B,Shoe,200,1,2017-01-01,10,Ohio\n", "line 2, sold_on: 9999-12-31 lies outside"),
        (HEAD + "2018-01-01,B,Shoe,1e999999,1,2017-01-01,10,Ohio\n", "line 2, sale_price_usd: '1e999999' is no price"),
        (HEAD + "2018-01-01,B,Shoe,1e-999999,1,2017-01-01,10,Ohio\n", "line 2, sale_price_usd: .* is no price"),
        (HEAD + f"2018-01-01,B,Shoe,200,1,2017-01-01,{'1' * 5000},Ohio\n", "line 2, size_us: .* not 5000"),
        (HEAD + "2018-01-01,B,,200,1,2017-01-01,10,Ohio\n", "line 2, product: "),
        (HEAD + "2018-01-01,B,Shoe\n", "line 2: the row has too few fields"),
        (HEAD + "2018-01-01,B,Shoe,200,1,2017-01-01,10,Ohio,11\n", "line 2: the row has more fields"),
        (HEAD + "".join(lines(1)) + "2018-01-01,B,Sh\0oe,200,1,2017-01-01,10,Ohio\n", "line 3: the row has a NUL byte"),
        (HEAD + "".join(lines(1)) + "2018-01-01,B\0,Shoe,200,1,2017-01-01,10,Ohio\n", "line 3: the row has a NUL byte"),
        (HEAD + "".join(lines(1)) + '2018-01-01,B,"Shoe,200\n' * 3, "from line 3 on, can't be read"),
        (HEAD + "2018-01-01,B,\udcff,200,1,2017-01-01,10,Ohio\n", "line 2: the row is not written in UTF-8"),
        (HEAD, "no episode to play"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    path, out = tmp_path / "sales.csv", tmp_path / "decisions.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidInput, match=says):
        replay.run(path, "hold", out=out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("strategy", "settings", "says"),
    [
        ("magic", None, "no strategy 'magic'"),
        ("patient", "{", "no JSON"),
        ("patient", "[1]", "JSON object"),
        ("patient", "[" * 100_000, "no JSON"),
        ("patient", '{"day_value": ' + "9" * 5000 + "}", "no JSON"),
        ("patient", '{"day_value": ' + "[" * 200 + "]" * 200 + "}", "must be a number"),
        ("patient", '{"day_value": "soon"}', "must be a number"),
        ("patient", '{"speed": 1}', "no setting 'speed'"),
    ],
)
def test_what_cannot_be_run_is_refused(sales: Path, strategy: str, settings: str | None, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        replay.run(sales, strategy, settings_json=settings)


@pytest.mark.parametrize("day", ["9999-12-31", "9999-11-20", "0001-01-01"])
def test_a_start_at_the_end_of_time_is_named_with_its_line(sales: Path, tmp_path: Path, day: str) -> None:
    starts, out = tmp_path / "starts.csv", tmp_path / "decisions.csv"
    starts.write_text(f"product,size_us,start\nShoe,10,2018-03-03\nShoe,10,{day}\n")
    with pytest.raises(InvalidInput, match=f"starts.csv, line 3, start: {day} lies outside"):
        replay.run(sales, "hold", out=out, starts=starts)
    assert not out.exists()


def test_a_sale_of_a_far_day_makes_no_long_list_of_episodes(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    late = "2199-12-31,B,Late,200,1,2017-01-01,10,Ohio\n"
    path.write_text(HEAD + "".join(lines(60)) + late, encoding="utf-8")
    assert replay.run(path, "hold", episodes=5)["episodes"] == 5


def test_a_folder_that_is_not_there_is_said_before_anything_is_played(sales: Path, tmp_path: Path) -> None:
    out, summary = tmp_path / "decisions.csv", tmp_path / "nowhere" / "summary.json"
    with pytest.raises(InvalidInput, match=r"no folder .*nowhere"):
        replay.run(sales, "hold", out=out, summary=summary)
    assert not out.exists()


@pytest.mark.parametrize(("option", "other"), [("out", "--sales"), ("out", "--starts"), ("summary", "--sales")])
def test_no_file_that_is_read_is_written_over(sales: Path, tmp_path: Path, option: str, other: str) -> None:
    starts, link = tmp_path / "starts.csv", tmp_path / "link.csv"
    starts.write_text("product,size_us,start\nShoe,10,2018-03-03\n")
    read = sales if other == "--sales" else starts
    link.symlink_to(read)
    before = read.read_bytes()
    for path in (read, link, tmp_path / "." / read.name):
        with pytest.raises(InvalidInput, match=f"would overwrite the file of {other}"):
            replay.run(sales, "hold", starts=starts, **{option: path})  # type: ignore[arg-type]
    assert read.read_bytes() == before


def test_decisions_and_summary_need_two_files(sales: Path, tmp_path: Path) -> None:
    same = tmp_path / "result"
    with pytest.raises(InvalidInput, match="--json would overwrite the file of --out"):
        replay.run(sales, "hold", out=same, summary=same)
    assert not same.exists()


def test_a_missing_or_broken_file_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(gzip.compress(HEAD.encode() * 50)[:40])
    torn = tmp_path / "torn.csv.gz"
    torn.write_bytes(gzip.compress(HEAD.encode())[:12] + b"\xff" * 40)
    for path in (tmp_path / "nothing.csv", broken, torn):
        with pytest.raises(InvalidInput, match="can't be read"):
            replay.run(path, "hold")


@pytest.mark.skipif(not REAL.exists(), reason="../shared is not there")
@pytest.mark.parametrize(
    ("strategy", "figure", "goals"),
    [
        ("profit_maximization", "profit_per_day", {"static": 1.45, "follow": 1.05}),
        ("patient", "profit_per_pair", {"static": 1.10, "follow": 1.05}),
    ],
)
def test_real_sales_reach_the_goals(strategy: str, figure: str, goals: dict[str, float]) -> None:
    report = replay.run(REAL, strategy, episodes=2000, seed=1)
    for baseline, times in goals.items():
        assert float(report["times"][baseline][figure]["value"]) >= times
