"""The tax report of a year: its totals, its first rows, what is missing, and how near the thresholds are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import extract, func, select
from sqlalchemy.orm import Session

from soleflip.domain.tax import Meter, Report, thresholds_of
from soleflip.models import LedgerEntry
from soleflip.services import rates, settings
from soleflip.services.runs import Books
from soleflip.services.settings import VatSettings
from soleflip.services.tax_rows import TaxRow, rows

TREATMENT_OF_SETTING = {"small_business": "small_business", "margin_scheme": "margin_scheme"}


def default_treatment(session: Session) -> str:
    """Return the treatment that fits the operator's VAT setting; plain when there is none."""
    return TREATMENT_OF_SETTING.get(settings.load(session, VatSettings).treatment, "plain")


@dataclass(frozen=True, slots=True)
class TaxYear:
    """A year's totals with its first rows, and the first of those that lack documents."""

    report: Report
    rows: list[TaxRow]
    missing: list[TaxRow]


def overview(
    session: Session, year: int, treatment: str, books: Books, basis: str = "sale", *, count: int = 25
) -> TaxYear:
    """Return a year's totals and first rows, read in one pass."""
    found = TaxYear(Report(year, treatment, books.currency), [], [])
    for row in rows(session, year, treatment, books, basis):
        count_in(found.report, row)
        if len(found.rows) < count:
            found.rows.append(row)
        if len(found.missing) < count and row.missing:
            found.missing.append(row)
    return found


def report(session: Session, year: int, treatment: str, books: Books, basis: str = "sale") -> Report:
    """Return a year's totals."""
    return overview(session, year, treatment, books, basis, count=0).report


def count_in(found: Report, row: TaxRow) -> None:
    """Take one row into a report's totals: the one place where exports and pages add up."""
    found.add(row.local_day, row.booked, row.taxed, row.fees, row.counterparty_vat_id)
    found.missing += bool(row.missing)


def years(session: Session, books: Books, now: datetime) -> list[int]:
    """Return the years that have entries, and this one, the newest first."""
    year = extract("year", func.timezone(books.timezone.key, LedgerEntry.booked_at))
    first, last = session.execute(select(func.min(year), func.max(year))).one()
    this = now.astimezone(books.timezone).year
    if first is None:
        return [this]
    return list(range(max(int(last), this), int(first) - 1, -1))


def meters(found: Report, now: datetime) -> list[Meter]:
    """Return how far the year is towards each threshold that holds in it, at the year's last known rate."""
    result = []
    for threshold in thresholds_of(found.year):
        total = found.total
        amount = total.payout if threshold.measure == "payout" else total.price
        if found.currency != threshold.currency:
            day = min(date(found.year, 12, 31), now.date())
            amount *= rates.rate(found.currency, threshold.currency, day).value
        result.append(Meter(threshold, amount.quantize(Decimal("0.01")), total.sales - total.reversals))
    return result
