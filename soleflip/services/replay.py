"""Replay from files: reads sales and starts, runs the model of domain/replay.py, writes decisions and a summary."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import plain_number
from soleflip.domain.pricing import read_settings, strategy_named, written
from soleflip.domain.replay import Comparison, Episode, Interval, Market, Result, compare
from soleflip.services.tables import refuse_twice

SALES_COLUMNS = ("sold_on", "product", "size_us", "sale_price_usd")
STARTS_COLUMNS = ("product", "size_us", "start")
PLACES = Decimal("0.0001")
FIRST_DAY, LAST_DAY = date(1950, 1, 1), date(2199, 12, 31)
"""Days outside are slips of the keyboard; inside, 45 days can always be added."""
LOWEST, HIGHEST = Decimal("0.01"), Decimal(99_999_999)
LONGEST_SIZE, LONGEST_PRODUCT = 40, 300
SHOWN = 30
"""Characters of a wrong value that a message repeats."""


def run(
    sales: Path,
    strategy: str,
    *,
    settings_json: str | None = None,
    out: Path | None = None,
    summary: Path | None = None,
    episodes: int = 2000,
    seed: int = 1,
    starts: Path | None = None,
) -> dict[str, Any]:
    """Replay a strategy on a sales file (CSV or CSV.GZ, USD); write decisions and summary, return the summary.

    `settings_json` is a JSON object; `starts` names episodes to run as given instead of a seeded sample. Raises
    InvalidInput, naming file and line, for anything that can't be read; then no file is written.
    """
    chosen = strategy_named(strategy)
    values = _settings(settings_json)
    acting = written(read_settings(chosen.settings_type, values))
    if episodes < 1:
        raise InvalidInput("The number of episodes must be at least 1.", field="episodes")
    _check_paths(read={"--sales": sales, "--starts": starts}, written={"--out": out, "--json": summary})
    market = Market.of(read_sales(sales))
    wanted = market.sample(episodes, seed) if starts is None else list(_starts(starts))
    comparison = compare(market, wanted, strategy, values, seed=seed)
    report = summarise(comparison) | {"settings": acting, "seed": seed}
    if out is not None:
        _write_decisions(out, comparison)
    if summary is not None:
        summary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def _check_paths(read: Mapping[str, Path | None], written: Mapping[str, Path | None]) -> None:
    """Refuse to write where there is no folder, or over a file that is read or written as well; links count as one."""
    taken = {path.resolve(): name for name, path in read.items() if path is not None}
    for name, path in written.items():
        if path is None:
            continue
        if not path.absolute().parent.is_dir():
            raise InvalidInput(f"There is no folder {path.parent} to write {path.name} into.")
        if path.is_dir():
            raise InvalidInput(f"{name} {path} is a folder; name a file to write.")
        other = taken.get(path.resolve()) or next((taken[each] for each in taken if _is_same(each, path)), None)
        if other is not None:
            raise InvalidInput(f"{name} would overwrite the file of {other}, {path}; nothing was written.")
        taken[path.resolve()] = name


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def summarise(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON-ready values, amounts and figures as text."""
    return {
        "strategy": comparison.strategy,
        "currency": "USD",
        "episodes": comparison.results[comparison.strategy].episodes,
        "left_out": [
            {
                "product": each.product,
                "size_us": each.size,
                "start": each.start.isoformat(),
                "reason": "no earlier sale",
            }
            for each in comparison.left_out
        ],
        "results": {name: _result(result) for name, result in comparison.results.items()},
        "times": {
            baseline: {name: _texts(interval) for name, interval in ratios.items()}
            for baseline, ratios in comparison.times.items()
        },
    }


def table(report: Mapping[str, Any]) -> str:
    """Return a summary as lines for a terminal: one per rule, then how many times the baselines were earned."""
    lines = [f"{report['episodes']} episodes, USD           a pair   per day at work     sold     days"]
    for name, result in report["results"].items():
        pair, day, sold, days = (
            Decimal(result[figure]["value"])
            for figure in ("profit_per_pair", "profit_per_day", "share_sold", "mean_days")
        )
        lines.append(f"{name:24s} {pair:12.2f} {day:17.3f} {sold:8.1%} {days:8.2f}")
    for baseline, figures in report["times"].items():
        pair, day = figures["profit_per_pair"], figures["profit_per_day"]
        lines.append(
            f"{report['strategy']} earns {Decimal(day['value']):.2f} times {baseline} per day at work"
            f" ({Decimal(day['low']):.2f} to {Decimal(day['high']):.2f}), {Decimal(pair['value']):.2f} times per pair"
            f" ({Decimal(pair['low']):.2f} to {Decimal(pair['high']):.2f})."
        )
    if report["left_out"]:
        lines.append(f"Left out {len(report['left_out'])}: no earlier sale of that product and size.")
    return "\n".join(lines)


def _result(result: Result) -> dict[str, Any]:
    return {
        "episodes": result.episodes,
        "profit_per_pair": _texts(result.profit_per_pair),
        "share_sold": _texts(result.share_sold),
        "mean_days": _texts(result.mean_days),
        "profit_per_day": _texts(result.profit_per_day),
    }


def _texts(interval: Interval) -> dict[str, str]:
    return {
        name: f"{value.quantize(PLACES):f}"
        for name, value in (("value", interval.value), ("low", interval.low), ("high", interval.high))
    }


def _write_decisions(path: Path, comparison: Comparison) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("product", "size_us", "start", "day", "ask"))
        for outcome in comparison.outcomes[comparison.strategy]:
            episode = outcome.episode
            for number, ask in enumerate(outcome.asks):
                day = episode.start + timedelta(days=number)
                writer.writerow((episode.product, episode.size, episode.start.isoformat(), day.isoformat(), f"{ask:f}"))


def _settings(text: str | None) -> Mapping[str, object]:
    if not text:
        return {}
    try:
        values = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        # ValueError also for a whole number of thousands of digits, RecursionError for lists within lists.
        raise InvalidInput(f"The settings are no JSON that can be read: {error}.", field="settings") from None
    if not isinstance(values, dict):
        raise InvalidInput('The settings must be a JSON object such as {"day_value": "1.2"}.', field="settings")
    return values


def read_sales(path: Path) -> Iterator[tuple[str, str, date, Decimal]]:
    """Yield product, size, day and price in USD of a sales file; raises InvalidInput with file and line."""
    for where, row in _rows(path, SALES_COLUMNS):
        product, size = _series(row, where)
        yield product, size, _day(row, "sold_on", where), _price(row["sale_price_usd"], where)


def _starts(path: Path) -> Iterator[Episode]:
    for where, row in _rows(path, STARTS_COLUMNS):
        yield Episode(*_series(row, where), _day(row, "start", where))


def _series(row: Mapping[str, str], where: str) -> tuple[str, str]:
    """Return product and size as written; raises InvalidInput for one that is missing or no name at all."""
    for name, longest in (("product", LONGEST_PRODUCT), ("size_us", LONGEST_SIZE)):
        text = row[name].strip()
        if not text or len(text) > longest:
            raise InvalidInput(f"{where}, {name}: it takes 1 to {longest} characters, not {len(text)}.", field=name)
    return row["product"].strip(), row["size_us"].strip()


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield file and line with each row of a CSV that has the columns; raises InvalidInput with file and line."""
    line = 0
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            unpacked = gzip.GzipFile(fileobj=plain) if packed else plain
            # Bytes that are no UTF-8 come through as they are, so that their row can be named.
            text = io.TextIOWrapper(unpacked, encoding="utf-8-sig", errors="surrogateescape", newline="")
            reader = csv.DictReader(text, strict=True)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise InvalidInput(f"{path.name} has no column {', '.join(missing)}; it needs {', '.join(columns)}.")
            refuse_twice(reader.fieldnames or (), columns)
            line = reader.line_num
            for row in reader:
                where = f"{path.name}, line {_first_line(row, reader.line_num)}"
                _check_row(row, columns, where)
                yield where, row
                line = reader.line_num
    except (OSError, EOFError, csv.Error, zlib.error) as error:
        where = f"{path.name}, from line {line + 1} on," if line else str(path)
        raise InvalidInput(f"{where} can't be read: {error}.") from None


def _first_line(row: Mapping[str | None, Any], last: int) -> int:
    """Return the line on which a row begins, by its last one: a field in quotes may run over several."""
    return last - sum(str(value).count("\n") for value in row.values())


def _check_row(row: Mapping[str | None, Any], columns: tuple[str, ...], where: str) -> None:
    """Raise InvalidInput for a row with too few or too many fields, or with bytes that are no text."""
    if any(row[name] is None for name in columns):
        raise InvalidInput(f"{where}: the row has too few fields.")
    if None in row:
        raise InvalidInput(f"{where}: the row has more fields than the first line names.")
    text = "".join(value or "" for value in row.values())
    if "\0" in text:
        raise InvalidInput(f"{where}: the row has a NUL byte; is the file damaged, or no CSV?")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{where}: the row is not written in UTF-8; save the file as UTF-8.") from None


def _price(text: str, where: str) -> Decimal:
    try:
        price = plain_number(text)
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite() or not LOWEST <= price <= HIGHEST:
        shown = text.strip()[:SHOWN]
        raise InvalidInput(
            f"{where}, sale_price_usd: {shown!r} is no price; write it like 249.00.", field="sale_price_usd"
        )
    return price


def _day(row: Mapping[str, str], name: str, where: str) -> date:
    text = row[name].strip()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"{where}, {name}: {text[:SHOWN]!r} is no day; write it like 2018-11-30.", field=name
        ) from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise InvalidInput(
            f"{where}, {name}: {day} lies outside {FIRST_DAY.year} to {LAST_DAY.year}; write it like 2018-11-30.",
            field=name,
        )
    return day
