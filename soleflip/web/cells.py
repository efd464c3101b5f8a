"""The small parts that stand in every row of a table, as functions that return markup.

Templates know them as parts of `macros/ui.html`: `ui.money(amount, "EUR")`. To call a macro takes ten times as long as
to call a function, and a page calls them some hundred times.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from types import SimpleNamespace

from flask import Flask
from markupsafe import Markup, escape

from soleflip.domain.money import Money
from soleflip.web import filters
from soleflip.web.assets import static_url

SPRITE = "vendor/tabler-icons-3.51.0.svg"
NEVER = Markup("–")


def install(app: Flask) -> None:
    """Offer the parts to `macros/ui.html`."""
    parts = (icon, badge, money, profit, percent, profit_percent, tone, time, real_time, select_row)
    app.jinja_env.globals["cells"] = SimpleNamespace(**{part.__name__: part for part in parts})


def icon(name: str, class_: str = "") -> Markup:
    """Return an icon of the sprite; decorative, so always beside a word."""
    return _icon(static_url(SPRITE), name, class_)


def badge(state: str | None, word: str | None = None, colour: str | None = None) -> Markup:
    """Return a state as a word with a colour."""
    return _badge(word or filters.state_word(state), colour or filters.state_colour(state))


def money(amount: Decimal | Money | None, currency: str | None = None) -> Markup:
    """Return an amount in figures of one width."""
    return _figures(filters.money(amount, currency))


def profit(amount: Decimal | None, currency: str | None = None) -> Markup:
    """Return an amount with its sign and its colour."""
    return _figures(filters.signed(amount, currency), tone(amount))


def percent(value: Decimal | float | None, digits: int = 1) -> Markup:
    """Return a value that is in percent already."""
    return _figures(filters.percent(value, digits))


def profit_percent(value: Decimal | float | None, digits: int = 1) -> Markup:
    """Return a value in percent with the colour of its sign."""
    return _figures(filters.percent(value, digits), tone(value))


def tone(value: Decimal | float | None) -> str:
    """Name the colour of a gain or a loss."""
    if value is None:
        return "text-secondary"
    return "loss" if value < 0 else "gain" if value > 0 else ""


def time(moment: datetime | None) -> Markup:
    """Return how long ago it was by the business clock, the exact time on hover."""
    return _moment(moment, filters.ago(moment)) if moment else NEVER


def real_time(moment: datetime | None) -> Markup:
    """Return the same for runs, accounts and created_at, which live in real time."""
    return _moment(moment, filters.real_ago(moment)) if moment else NEVER


def select_row(form: str, value: object, label: str, disabled: bool = False, checked: bool = False) -> Markup:
    """Return the cell with the box that belongs to the bulk form of that id."""
    ticked = (" disabled" if disabled else "") + (" checked" if checked else "")
    return Markup(  # noqa: S704 - every part is escaped, as below; Markup.format takes four times as long
        '<td class="cell-select"><input class="form-check-input" type="checkbox" name="ids" '
        f'value="{escape(value)}" form="{escape(form)}" aria-label="Select {escape(label)}"{ticked}></td>'
    )


def _moment(moment: datetime, told: str) -> Markup:
    exact = filters.when(moment)
    return Markup(  # noqa: S704
        f'<time datetime="{filters.iso(moment)}" title="{escape(exact)}">{escape(told)}</time>'
    )


@lru_cache(maxsize=512)
def _icon(sprite: str, name: str, class_: str) -> Markup:
    inside = Markup('aria-hidden="true" focusable="false"><use href="{}#{}" /></svg>').format(sprite, name)
    return Markup('<svg class="icon{}" ').format(f" {class_}" if class_ else "") + inside


@lru_cache(maxsize=512)
def _badge(word: str, colour: str) -> Markup:
    return Markup('<span class="state state-{}">{}</span>').format(colour, word)


@lru_cache(maxsize=8192)
def _figures(text: str, tone: str = "") -> Markup:
    return Markup('<span class="tabular{}">{}</span>').format(f" {tone}" if tone else "", text)
