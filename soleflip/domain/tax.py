"""A tax year's arithmetic: how a booked sale counts under each treatment, totals, and the thresholds as data.

A working paper, no advice: it shows the sums an accountant starts from, with the rule each of them follows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import HUNDRED, ZERO, cents, percent


@dataclass(frozen=True, slots=True)
class Treatment:
    """One way to tax sales: its name, what its turnover is, and the rule in words."""

    key: str
    label: str
    turnover: str
    rule: str


TREATMENTS: dict[str, Treatment] = {
    found.key: found
    for found in (
        Treatment(
            "plain",
            "Plain profit",
            "sale price",
            "Profit is the payout less the cost of the item. No VAT is worked out.",
        ),
        Treatment(
            "small_business",
            "Small business (§ 19 UStG)",
            "payout",
            "No VAT on sales, none recovered on purchases: costs count with their VAT. Turnover is what StockX paid.",
        ),
        Treatment(
            "margin_scheme",
            "Margin scheme (§ 25a UStG)",
            "payout",
            "VAT is inside the margin of each single sale (payout less cost); a negative margin bears none "
            "and is not set off against others.",
        ),
        Treatment(
            "intra_eu",
            "Intra-EU supply (Art. 138 VAT Directive)",
            "payout",
            "Exempt supply to StockX with self-billing; the recapitulative summary takes the payout by VAT number.",
        ),
        Treatment(
            "schedule_c",
            "US Schedule C",
            "sale price",
            "Gross receipts are sale prices; cost of goods sold, fees and shipping are taken off to the net profit.",
        ),
    )
}
DEFAULT = "plain"


def treatment_of(key: str) -> Treatment:
    """Return a treatment by its key; raises InvalidInput."""
    if key not in TREATMENTS:
        raise InvalidInput(f"{key!r} is no treatment: {', '.join(TREATMENTS)}.", field="treatment")
    return TREATMENTS[key]


@dataclass(frozen=True, slots=True)
class Booked:
    """What the ledger says of one sale or its reversal, in the books' currency; `cost` None means unknown.

    Of a reversal every amount has the opposite sign. `fees` and `other` (penalties, write-offs) are signed.
    `corrects` is the margin that stood before, where this only changes an earlier sale; None for a sale of its own.
    """

    price: Decimal = ZERO
    fees: Decimal = ZERO
    cost: Decimal | None = ZERO
    other: Decimal = ZERO
    is_reversal: bool = False
    corrects: Decimal | None = None

    @property
    def payout(self) -> Decimal:
        """Price plus signed fees."""
        return self.price + self.fees


@dataclass(frozen=True, slots=True)
class Taxed:
    """What a treatment makes of one booked sale; None where the unknown cost leaves it open."""

    turnover: Decimal
    margin: Decimal | None
    vat: Decimal | None
    profit: Decimal | None


def tax(booked: Booked, treatment: str, vat_rate: Decimal) -> Taxed:
    """Apply a treatment; `vat_rate` in percent. VAT inside a margin is rounded commercially, sale by sale."""
    turnover = booked.price if treatment_of(treatment).turnover == "sale price" else booked.payout
    if booked.cost is None:
        return Taxed(turnover, None, None if treatment == "margin_scheme" else ZERO, None)
    margin = booked.payout - booked.cost
    vat = ZERO
    if treatment == "margin_scheme":
        before = booked.corrects or ZERO
        vat = _vat_inside(before + margin, vat_rate, booked.is_reversal) - _vat_inside(before, vat_rate, False)
    return Taxed(turnover, margin, vat, margin - vat + booked.other)


def _vat_inside(margin: Decimal, rate: Decimal, is_reversal: bool) -> Decimal:
    sign = -1 if is_reversal else 1
    return sign * cents(max(margin * sign, ZERO) * rate / (HUNDRED + rate))


@dataclass(slots=True)
class Totals:
    """Sums of a month, a quarter, a treatment or a year; sales of unknown cost are not in `cost` and `profit`."""

    sales: int = 0
    reversals: int = 0
    price: Decimal = ZERO
    fees: Decimal = ZERO
    payout: Decimal = ZERO
    turnover: Decimal = ZERO
    cost: Decimal = ZERO
    other: Decimal = ZERO
    vat: Decimal = ZERO
    profit: Decimal = ZERO
    unknown_cost: int = 0
    unknown_payout: Decimal = ZERO

    def add(self, booked: Booked, taxed: Taxed) -> None:
        """Take one more row in."""
        counts = 0 if booked.corrects is not None else -1 if booked.is_reversal else 1
        if booked.is_reversal:
            self.reversals += 1
        elif booked.price:
            self.sales += counts
        self.price += booked.price
        self.fees += booked.fees
        self.payout += booked.payout
        self.turnover += taxed.turnover
        self.other += booked.other
        self.vat += taxed.vat or ZERO
        if booked.cost is None:
            self.unknown_cost += counts
            self.unknown_payout += booked.payout
            self.profit += booked.other
        else:
            self.cost += booked.cost
            self.profit += taxed.profit or ZERO

    def join(self, other: Totals) -> None:
        """Take the rows of other totals in."""
        for found in fields(self):
            setattr(self, found.name, getattr(self, found.name) + getattr(other, found.name))


@dataclass(slots=True)
class Report:
    """A year's totals, filled row by row so that no row has to be kept."""

    year: int
    treatment: str
    currency: str
    total: Totals = field(default_factory=Totals)
    months: dict[int, Totals] = field(default_factory=dict)
    quarters: dict[int, Totals] = field(default_factory=dict)
    by_fee: dict[str, Decimal] = field(default_factory=dict)
    summary: dict[tuple[str, int], Decimal] = field(default_factory=dict)
    missing: int = 0

    def add(self, day: date, booked: Booked, taxed: Taxed, fees: Iterable[tuple[str, Decimal]], vat_id: str) -> None:
        """Take one row of a day (operator's time zone) in; `vat_id` is the counterparty's, empty when unknown."""
        quarter = (day.month + 2) // 3
        for totals in (
            self.total,
            self.months.setdefault(day.month, Totals()),
            self.quarters.setdefault(quarter, Totals()),
        ):
            totals.add(booked, taxed)
        for name, amount in fees:
            self.by_fee[name] = self.by_fee.get(name, ZERO) + amount
        if self.treatment == "intra_eu" and booked.payout:
            key = (vat_id, day.month)
            self.summary[key] = self.summary.get(key, ZERO) + booked.payout

    def bridge(self) -> list[tuple[str, Decimal]]:
        """Walk from gross receipts to the report's profit; under Schedule C from the 1099-K, with the form's lines."""
        total, is_us = self.total, self.treatment == "schedule_c"

        def line(text: str, of_the_form: str) -> str:
            return f"{text} ({of_the_form})" if is_us else text

        return [
            (line("Gross receipts: sale prices" + ", as on a 1099-K" * is_us, "line 1"), total.price),
            *((line(name, "line 10 or 27"), amount) for name, amount in sorted(self.by_fee.items())),
            ("Payout: what StockX paid", total.payout),
            (line("Cost of goods sold, where known", "line 4"), -total.cost),
            ("Payouts of sales whose cost is unknown, not counted as profit", -total.unknown_payout),
            ("Penalties and write-offs", total.other),
            *([("VAT in the margin", -total.vat)] if total.vat else []),
            (line("Net profit before other expenses", "towards line 31"), total.profit),
        ]


def year_bounds(year: int) -> tuple[date, date]:
    """Return the first and the last day of a tax year; raises InvalidInput for a year that can't be."""
    if not 2000 <= year <= 2100:
        raise InvalidInput("The year must be between 2000 and 2100.", field="year")
    return date(year, 1, 1), date(year, 12, 31)


def year_of(moment: datetime, zone: ZoneInfo) -> int:
    """Return the year a moment belongs to in the operator's time zone."""
    return moment.astimezone(zone).year


@dataclass(frozen=True, slots=True)
class Threshold:
    """A legal or contractual limit of a calendar year: of an amount, a count, or both.

    `measure` is what is compared: payout (paid by StockX) or price (gross sale prices). `both` says whether the
    limit takes amount and count together (1099-K) or either (DAC7).
    """

    name: str
    currency: str
    measure: str
    source: str
    first_year: int
    last_year: int | None = None
    amount: Decimal | None = None
    count: int | None = None
    both: bool = False


THRESHOLDS: tuple[Threshold, ...] = (
    Threshold(
        "Small business: turnover that still allows it next year",
        "EUR",
        "payout",
        "§ 19 (1) UStG, version until 2024",
        2020,
        2023,
        Decimal(22000),
    ),
    Threshold(
        "Small business: turnover that still allows it next year",
        "EUR",
        "payout",
        "§ 19 (1) UStG, version from 2025, which looks back on 2024",
        2024,
        None,
        Decimal(25000),
    ),
    Threshold(
        "Small business: turnover that ends it within the year",
        "EUR",
        "payout",
        "§ 19 (1) UStG, version from 2025",
        2025,
        None,
        Decimal(100000),
    ),
    Threshold(
        "DAC7: StockX reports you from 30 sales, or above this amount",
        "EUR",
        "payout",
        "Directive (EU) 2021/514, Annex V, section I B (4)",
        2023,
        None,
        Decimal(2000),
        30,
    ),
    Threshold(
        "1099-K: reported above this amount and above 200 sales",
        "USD",
        "price",
        "26 U.S.C. § 6050W (e); for 2025 restored by Public Law 119-21",
        2025,
        None,
        Decimal(20000),
        200,
        both=True,
    ),
    Threshold(
        "1099-K: reported above this amount",
        "USD",
        "price",
        "IRS Notice 2024-85, for calendar year 2024",
        2024,
        2024,
        Decimal(5000),
    ),
    Threshold(
        "1099-K: reported above this amount and above 200 sales",
        "USD",
        "price",
        "26 U.S.C. § 6050W (e) with IRS Notice 2023-74",
        2020,
        2023,
        Decimal(20000),
        200,
        both=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Meter:
    """How far a year is towards a threshold: the amount in the threshold's currency, and percent of it."""

    threshold: Threshold
    amount: Decimal
    count: int

    @property
    def filled(self) -> Decimal:
        """Percent of the limit reached: of both where both are needed, else of the nearer one; at most 100."""
        parts = []
        if self.threshold.amount is not None:
            parts.append(percent(max(self.amount, ZERO), self.threshold.amount) or ZERO)
        if self.threshold.count is not None:
            parts.append(percent(Decimal(max(self.count, 0)), Decimal(self.threshold.count)) or ZERO)
        return min(HUNDRED, min(parts) if self.threshold.both else max(parts))

    @property
    def is_reached(self) -> bool:
        """Whether the limit is passed (amounts: above it; DAC7's count: reached)."""
        over = []
        if self.threshold.amount is not None:
            over.append(self.amount > self.threshold.amount)
        if self.threshold.count is not None:
            limit = self.threshold.count
            over.append(self.count > limit if self.threshold.both else self.count >= limit)
        return all(over) if self.threshold.both else any(over)


def thresholds_of(year: int) -> list[Threshold]:
    """Return the thresholds that hold in a year."""
    return [
        found
        for found in THRESHOLDS
        if found.first_year <= year and (found.last_year is None or year <= found.last_year)
    ]
