"""The tax report of a year: its totals, its first rows, what is missing, and how near the thresholds are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import extract, func, select
from sqlalchemy.orm import Session

from soleflip.domain.tax import Meter, Report, thresholds_of
from soleflip.models import LedgerEntry
from soleflip.services import rates, settings, tax_rows, tax_totals
from soleflip.services.runs import Books
from soleflip.services.settings import VatSettings
from soleflip.services.tax_rows import TaxRow
from soleflip.services.tax_span import Span

MISSING = 10
TREATMENT_OF_SETTING = {"small_business": "small_business", "margin_scheme": "margin_scheme"}


def default_treatment(session: Session) -> str:
    """Return the treatment that fits the operator's VAT setting; plain when there is none."""
    return TREATMENT_OF_SETTING.get(settings.load(session, VatSettings).treatment, "plain")


@dataclass(frozen=True, slots=True)
class TaxYear:
    """A year's totals with a page of its rows, the next page's cursor, and the first rows that lack papers."""

    report: Report
    rows: list[TaxRow]
    next: str | None
    missing: list[TaxRow]


def overview(session: Session, span: Span, *, after: str | None = None, only_missing: bool = False) -> TaxYear:
    """Return a year's totals, summed by the database, and a page of its rows; raises InvalidInput for a bad cursor."""
    found = tax_totals.report(session, span)
    rows, following = tax_rows.page(session, span, after=after, only_missing=only_missing)
    missing = tax_rows.page(session, span, only_missing=True, count=MISSING)[0] if found.missing else []
    return TaxYear(found, rows, following, missing)


def report(session: Session, year: int, treatment: str, books: Books, basis: str = "sale") -> Report:
    """Return a year's totals."""
    return tax_totals.report(session, Span(year, treatment, books, basis))


def count_in(found: Report, row: TaxRow) -> None:
    """Take one row into a report's totals: so the files add up what they write; pages ask `report`, and both agree."""
    found.add(row.local_day, row.booked, row.taxed, row.fees, row.counterparty_vat_id)
    found.missing += bool(row.missing)


def years(session: Session, books: Books, now: datetime) -> tuple[list[int], int]:
    """Return the years that have entries, and this one, the newest first; and the newest that has any.

    In January that is the year that is over: the one whose report is wanted.
    """
    year = extract("year", func.timezone(books.timezone.key, LedgerEntry.booked_at))
    first, last = session.execute(select(func.min(year), func.max(year))).one()
    this = now.astimezone(books.timezone).year
    if first is None:
        return [this], this
    return list(range(max(int(last), this), int(first) - 1, -1)), int(last)


def meters(found: Report, now: datetime) -> list[Meter]:
    """Return how far the year is towards each threshold that holds in it, at the year's last known rate."""
    result = []
    for threshold in thresholds_of(found.year):
        total = found.total
        amount = total.payout if threshold.measure == "payout" else total.price
        if found.currency != threshold.currency:
            day = min(date(found.year, 12, 31), now.date())
            rate = rates.known(found.currency, threshold.currency, day)
            if rate is None:
                continue
            amount *= rate.value
        result.append(Meter(threshold, amount.quantize(Decimal("0.01")), total.sales - total.reversals))
    return result
