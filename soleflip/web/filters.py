"""How values look: money, percentages, moments and states, in the operator's locale and time zone.

An absent value is a dash. Negative amounts carry a minus sign, so that colour never speaks alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time, format_timedelta, get_datetime_format
from babel.numbers import format_compact_currency, format_currency, format_decimal, get_currency_symbol
from flask import Flask

from soleflip.domain.money import Money
from soleflip.runtime import system_clock
from soleflip.services.listing_query import MOST_COUNTED
from soleflip.web.unit import now, runtime

Style = Literal["full", "long", "medium", "short"]
ABSENT = "–"
EXACT = 7200
"""Beyond so many seconds nobody is told of single ones: a page's times are put into words once a minute."""

# Every state and outcome the pages show: its word and its colour (a Tabler colour name).
STATES: dict[str, tuple[str, str]] = {
    # runs and what they did with one thing
    "queued": ("Queued", "secondary"),
    "running": ("Running", "blue"),
    "done": ("Done", "green"),
    "failed": ("Failed", "red"),
    "unseen": ("Failed, not seen yet", "red"),
    "cancelled": ("Cancelled", "secondary"),
    "refused": ("Refused", "orange"),
    "skipped": ("Skipped", "secondary"),
    "changed": ("Changed", "green"),
    "unchanged": ("Unchanged", "secondary"),
    # listings
    "pending": ("Pending", "secondary"),
    "submitting": ("Submitting", "blue"),
    "review": ("Needs review", "orange"),
    "active": ("Active", "green"),
    "inactive": ("Inactive", "secondary"),
    "delisted": ("Delisted", "secondary"),
    "sold": ("Sold", "teal"),
    "expired": ("Expired", "orange"),
    # changes and decisions
    "proposed": ("Proposed", "azure"),
    "waiting": ("Waiting", "azure"),
    "sending": ("Sending", "blue"),
    "sent": ("Sent", "green"),
    "given_up": ("Given up", "red"),
    "approved": ("Approved", "green"),
    "rejected": ("Rejected", "secondary"),
    # orders
    "authenticated": ("Authenticated", "teal"),
    "shipped": ("Shipped", "blue"),
    "completed": ("Completed", "green"),
    "matched": ("Matched", "green"),
    # items
    "ordered": ("Ordered", "azure"),
    "in_stock": ("In stock", "green"),
    "reserved": ("Reserved", "azure"),
    "listed": ("Listed", "blue"),
    "returned": ("Returned", "orange"),
    "written_off": ("Written off", "secondary"),
    # opportunities and matches
    "open": ("Open", "green"),
    "dismissed": ("Dismissed", "secondary"),
    "acted": ("Acted on", "blue"),
    "gone": ("Gone", "secondary"),
    "unmatched": ("Not matched yet", "secondary"),
    "firm": ("Certain", "green"),
    "doubtful": ("In doubt", "orange"),
    "none": ("Unknown to StockX", "secondary"),
    # imports
    "mapping": ("Columns wanted", "azure"),
    "incomplete": ("Incomplete", "orange"),
    # the StockX account
    "connected": ("Connected", "green"),
    "disconnected": ("Not connected", "orange"),
    "reconnect": ("Reconnect needed", "red"),
}

RUN_NAMES = {
    "feed_import": "Feed import",
    "feed_fetch": "Fetching feeds",
    "catalog_lookup": "Catalog look-up",
    "detect": "Finding opportunities",
    "compute": "Computing opportunities",
    "searches": "Saved filters",
    "quotes": "Quotes",
    "list": "Listing",
    "change": "Price and state changes",
    "reprice": "Repricing",
    "automate": "Automation",
    "replay": "Replay",
    "order_sync": "Order sync",
    "listing_sync": "Listing sync",
    "reconcile": "Reconciliation",
    "adopt": "Adopting a listing",
    "product_lookup": "Product look-up",
    "stock_import": "Inventory import",
    "backup": "Backup",
    "export": "Export of everything",
    "deliver_alerts": "Sending alerts",
    "test_channel": "Test of a channel",
    "monitor": "Monitor",
    "settle": "Looking up what ended runs sent",
    "thin_quotes": "Thinning old quotes",
    "away": "Pausing every ask",
    "away_look": "Looking at paused asks",
}


def install(app: Flask) -> None:
    """Register every format as a Jinja filter of its function's name."""
    amounts = (money, signed, compact, percent, number, counted, plural, symbol)
    times = (day, month_of, when, iso, ago, real_ago, real_due, until, duration, interval)
    for format_ in (*amounts, *times, state_word, state_colour, run_name):
        app.jinja_env.filters[format_.__name__] = format_


def money(amount: Decimal | Money | None, currency: str | None = None) -> str:
    """Format an amount with its currency; without one, in the currency of the books."""
    if amount is None:
        return ABSENT
    if isinstance(amount, Money):
        return money(amount.amount, amount.currency)
    return _amount(amount, currency or runtime().settings.currency, runtime().settings.locale)


# Many rows of a page, and many pages, show the same amounts; putting one together takes longer than anything else.
@lru_cache(maxsize=8192)
def _amount(amount: Decimal, currency: str, locale: str) -> str:
    return format_currency(amount, currency, locale=_parsed(locale)).replace("-", "−")


def signed(amount: Decimal | Money | None, currency: str | None = None) -> str:
    """Format an amount with its sign, plus included: for profits and differences."""
    text = money(amount, currency)
    plain = amount.amount if isinstance(amount, Money) else amount
    return f"+{text}" if plain is not None and plain > 0 else text


def compact(amount: Decimal | None, currency: str | None = None) -> str:
    """Format a large amount in few characters (€1.2K), for axes and tiles on a phone."""
    if amount is None:
        return ABSENT
    code = currency or runtime().settings.currency
    return format_compact_currency(amount, code, locale=_locale(), fraction_digits=1).replace("-", "−")


def percent(value: Decimal | float | None, digits: int = 1) -> str:
    """Format a value that is in percent already: 12.34 becomes 12.3 %."""
    if value is None:
        return ABSENT
    return _percent(value, digits, runtime().settings.locale)


@lru_cache(maxsize=4096)
def _percent(value: Decimal | float, digits: int, locale: str) -> str:
    pattern = "#,##0." + "0" * digits if digits else "#,##0"
    return format_decimal(value, format=pattern, locale=_parsed(locale)).replace("-", "−") + "\u00a0%"


def number(value: Decimal | float | None) -> str:
    """Format a count or quantity with the locale's grouping."""
    if value is None:
        return ABSENT
    return _number(value, runtime().settings.locale)


@lru_cache(maxsize=4096)
def _number(value: Decimal | float, locale: str) -> str:
    return format_decimal(value, locale=_parsed(locale)).replace("-", "−")


def counted(value: int, most: int = MOST_COUNTED) -> str:
    """Format a count that ends at `most`: what is beyond is not counted, and the reader is told so."""
    return f"{number(most)}+" if value > most else number(value)


def plural(count: int, noun: str, many: str | None = None) -> str:
    """Format a count with its noun: 1 hour, 2 hours."""
    return f"{number(count)} {noun if count == 1 else many or noun + 's'}"


def day(value: datetime | date | None, style: Style = "medium") -> str:
    """Format a day; a moment is first taken to the operator's time zone."""
    if value is None:
        return ABSENT
    local = value.astimezone(runtime().settings.zone).date() if isinstance(value, datetime) else value
    return format_date(local, style, locale=_locale())


def month_of(number: int, year: int) -> str:
    """Format a month of a year: Feb 2026."""
    return format_skeleton("yMMM", date(year, number, 1), locale=_locale())


def axis_days(days: Sequence[date]) -> list[str]:
    """Format the days below a chart: without the year where it is the same for all."""
    skeleton = "MMMd" if len({each.year for each in days}) == 1 else "yMMMd"
    return [format_skeleton(skeleton, each, locale=_locale()) for each in days]


def when(value: datetime | None) -> str:
    """Format a moment in the operator's time zone and locale: Dec 8, 2026, 12:59 AM."""
    if value is None:
        return ABSENT
    return _moment(value, runtime().settings.timezone, runtime().settings.locale)


@lru_cache(maxsize=4096)
def _moment(value: datetime, zone: str, locale: str) -> str:
    local, known = value.astimezone(ZoneInfo(zone)), _parsed(locale)
    both = str(get_datetime_format("medium", known))
    found = both.format(format_time(local, "short", locale=known), format_date(local, "medium", locale=known))
    return found.replace("\u202f", " ")


def iso(value: datetime) -> str:
    """Write a moment for the datetime attribute of a time element, in UTC."""
    return value.astimezone(UTC).isoformat(timespec="seconds")


def ago(value: datetime | None) -> str:
    """Tell how long ago a moment was, or how far ahead it is, by the business clock."""
    if value is None:
        return ABSENT
    return _relative(value - now())


def real_ago(value: datetime | None) -> str:
    """Tell how long ago a moment was in real time: of runs and accounts, which know no sandbox time."""
    return ABSENT if value is None else _relative(value - system_clock())


def real_due(value: datetime | None) -> str:
    """Tell when something is due by the real clock: in a while, now, or since when it should have happened."""
    if value is None:
        return ABSENT
    left = value - system_clock()
    if left > timedelta(0):
        return _relative(left)
    return "due now" if left > -timedelta(minutes=1) else f"overdue by {duration(-left)}"


def until(value: datetime | None) -> str:
    """Tell how long it is until a deadline; one that has passed says so."""
    if value is None:
        return ABSENT
    left = value - now()
    return _relative(left) if left > timedelta(0) else f"overdue by {duration(-left)}"


def duration(value: timedelta | float | None) -> str:
    """Format a length of time roughly: 5 minutes; numbers are seconds."""
    if value is None:
        return ABSENT
    span = value if isinstance(value, timedelta) else timedelta(seconds=float(value))
    return format_timedelta(span, locale=_locale(), threshold=1.2)


def interval(value: timedelta) -> str:
    """Format an interval exactly, in the largest unit that it is whole in: 90 seconds, 2 minutes, 1 day."""
    unit = next(name for name, size in _UNITS if value % size == timedelta(0))
    return format_timedelta(value, granularity=unit, threshold=float("inf"), locale=_locale())


_UNITS: tuple[tuple[Literal["day", "hour", "minute", "second"], timedelta], ...] = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
    ("second", timedelta(seconds=1)),
)


def state_word(state: str | None) -> str:
    """Return the word for a state; one that is not known is shown as it is."""
    if not state:
        return ABSENT
    return STATES[state][0] if state in STATES else state.replace("_", " ").capitalize()


def state_colour(state: str | None) -> str:
    """Return the colour that goes with a state's word."""
    return STATES.get(state or "", ("", "secondary"))[1]


def run_name(kind: str) -> str:
    """Return what a kind of run is called."""
    return RUN_NAMES.get(kind, kind.replace("_", " ").capitalize())


def symbol(currency: str) -> str:
    """Return a currency's sign in the operator's locale."""
    return get_currency_symbol(currency, locale=_locale())


def chart_number(value: Decimal | None) -> Any:
    """Turn an amount into a JSON number: charts draw, they do not do sums."""
    return None if value is None else float(value)


def _relative(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if abs(seconds) > EXACT:
        seconds = int(seconds / 60) * 60
    if seconds == 0:
        return "just now"
    return _told(seconds, runtime().settings.locale)


@lru_cache(maxsize=4096)
def _told(seconds: int, locale: str) -> str:
    return format_timedelta(timedelta(seconds=seconds), add_direction=True, locale=_parsed(locale), threshold=1.2)


def _locale() -> Locale:
    return _parsed(runtime().settings.locale)


@lru_cache
def _parsed(locale: str) -> Locale:
    return Locale.parse(locale)
