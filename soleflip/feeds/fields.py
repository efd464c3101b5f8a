"""Single fields of a feed, read from the shop's notation; each raises InvalidInput with a sentence for the operator."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from babel.core import UnknownLocaleError
from babel.numbers import NumberFormatError, is_currency, parse_decimal

from soleflip.domain.errors import InvalidInput
from soleflip.domain.words import count_of

LARGEST_AMOUNT = Decimal("99999999.99")
SYMBOLS = {"€": "EUR", "£": "GBP", "¥": "JPY", "zł": "PLN", "₩": "KRW", "CA$": "CAD", "A$": "AUD", "US$": "USD"}
NUMBER_LOCALES = {"comma": "de", "point": "en"}
"""Which Babel locale reads a number format of the mapping: `comma` is 1.299,00 and `point` is 1,299.00."""

_MONEY = re.compile(
    r"^(?P<front>[^\d\s.,+-]*)\s*(?P<sign>[+-]?)\s*(?P<number>\d[\d., '’\u00a0\u202f]*)\s*(?P<back>[^\d.,]*)$"
)
_GROUPED = re.compile(r"^\d{1,3}(?:[.,]\d{3})$")
_TRUE = {
    "1",
    "true",
    "yes",
    "y",
    "ja",
    "oui",
    "in stock",
    "instock",
    "auf lager",
    "available",
    "verfügbar",
    "lieferbar",
}
_FALSE = {
    "0",
    "false",
    "no",
    "n",
    "nein",
    "non",
    "out of stock",
    "outofstock",
    "sold out",
    "ausverkauft",
    "unavailable",
}
# By length, what the digits' ASCII codes (48 more than the digit) add to the last figure of the sum.
_GTIN_LENGTHS = {length: 48 * (length + length // 2 * 2) % 10 for length in (8, 12, 13, 14)}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]+")


def clean(text: str, limit: int) -> str:
    """Return one line of text without control characters, at most `limit` characters long."""
    if text.isprintable() and "  " not in text:
        return text.strip()[:limit].rstrip()
    return " ".join(_CONTROL.sub(" ", text).split())[:limit].rstrip()


@lru_cache(maxsize=32768)
def read_money(text: str, notation: str = "auto") -> tuple[Decimal, str | None]:
    """Read an amount in any common notation and the currency written beside it (ISO 4217), if any.

    `notation`: comma (1.299,00), point (1,299.00) or auto, which refuses what could be read both ways.
    Raises InvalidInput, also for amounts that are negative, too precise or too large.
    """
    shown = clean(text, 40)
    found = _MONEY.match(shown)
    if not found:
        raise InvalidInput(f"{shown!r} is no price: write it like 160.00 or 1.299,00")
    # Accountants write it behind: 5.00-. With nothing behind the separator (129,-) it stands for no cents.
    if found["sign"] == "-" or shown.startswith("-") or re.search(r"\d\s*-$", shown):
        raise InvalidInput(f"{shown!r} is negative: a price is above zero")
    currency = _currency_beside(found["front"].strip(), found["back"].strip(), shown)
    amount = _decimal(found["number"].strip(), notation, shown)
    # First, since an amount of more digits than a Decimal works with can't be rounded.
    if amount > LARGEST_AMOUNT:
        raise InvalidInput(f"{shown!r} is larger than any price we can keep")
    if amount != amount.quantize(Decimal("0.01")):
        raise InvalidInput(f"{shown!r} has more than two decimals")
    return amount.quantize(Decimal("0.01")), currency


def _decimal(number: str, notation: str, shown: str) -> Decimal:
    plain = re.sub(r"[ '’\u00a0\u202f]", "", number).rstrip(".,")
    if plain.isdigit():
        return Decimal(plain)
    if notation == "auto":
        if _GROUPED.match(plain):
            raise InvalidInput(f"{shown!r} can be read in two ways: set this shop's number format")
        comma, point = plain.rfind(","), plain.rfind(".")
        repeated = plain.count(",") > 1 or plain.count(".") > 1
        notation = "comma" if comma > point else "point"
        if repeated and (comma < 0 or point < 0):
            # 1.234.567 has only thousands in it: its separator is not the decimal one.
            notation = "point" if comma >= 0 else "comma"
    try:
        return Decimal(parse_decimal(plain, locale=NUMBER_LOCALES[notation], strict=True))
    except (NumberFormatError, UnknownLocaleError):
        # Trailing zeros such as 76.0000 are no thousands, which the strict reading takes them for.
        bare = plain.replace(",", ".") if notation == "comma" else plain
        if re.fullmatch(r"\d+\.\d+", bare):
            return Decimal(bare)
        raise InvalidInput(f"{shown!r} is no price: write it like 160.00 or 1.299,00") from None


def _currency_beside(front: str, back: str, shown: str) -> str | None:
    words = [word for word in (front, back) if word and word not in (",-", "-")]
    codes = {SYMBOLS.get(word, word.upper()) for word in words}
    if not codes:
        return None
    code = codes.pop()
    if codes or not is_currency(code):
        raise InvalidInput(f"{shown!r} is no price: {' '.join(words)!r} is no currency we know")
    return code


@lru_cache(maxsize=256)
def read_currency(text: str) -> str:
    """Read a currency code or symbol; raises InvalidInput."""
    code = SYMBOLS.get(text.strip(), text.strip().upper())
    if len(code) != 3 or not is_currency(code):
        raise InvalidInput(f"{clean(text, 20)!r} is no currency code such as EUR")
    return code


def read_gtin(text: str) -> str | None:
    """Read an EAN, UPC or GTIN and return its 14 digits; empty or all zeros is None. Raises InvalidInput."""
    is_plain = text.isdigit()
    digits = text if is_plain else re.sub(r"[\s\-.']", "", text).removeprefix("=").strip('"')
    if not digits or not digits.strip("0"):
        return None
    if not is_plain and re.fullmatch(r"\d[\d.,]*[eE]\+?\d+", text.strip()):
        raise InvalidInput(f"{clean(text, 30)!r} is an EAN that a spreadsheet rounded: export the column as text")
    if not digits.isascii() or not digits.isdigit():
        raise InvalidInput(f"{clean(text, 30)!r} is no EAN: it has to be digits")
    if len(digits) not in _GTIN_LENGTHS:
        raise InvalidInput(f"{digits[:30]} has {count_of(len(digits), 'digit')}: an EAN has 8, 12, 13 or 14")
    # GS1's sum with weights 1 and 3 from the right; sums of bytes, since every row of a feed comes by here.
    codes = digits.encode("ascii")
    if (sum(codes[::-2]) + 3 * sum(codes[-2::-2])) % 10 != _GTIN_LENGTHS[len(digits)]:
        raise InvalidInput(f"{digits} has a wrong check digit: the EAN has a typing error")
    return digits.zfill(14)


def read_stock(text: str) -> int | None:
    """Read a number of pairs; empty is None. Raises InvalidInput."""
    plain = text.strip().lstrip(">+").rstrip("+").strip()
    if not plain:
        return None
    if not plain.isascii() or not re.fullmatch(r"-?\d{1,9}(?:[.,]0+)?", plain):
        raise InvalidInput(f"{clean(text, 30)!r} is no number of pairs")
    return max(int(re.split(r"[.,]", plain)[0]), 0)


def read_flag(text: str) -> bool | None:
    """Read yes or no in a few languages; empty is None. Raises InvalidInput."""
    plain = text.strip().casefold().replace("_", " ")
    if plain in _TRUE:
        return True
    if plain in _FALSE:
        return False
    if not plain:
        return None
    raise InvalidInput(f"{clean(text, 30)!r} is neither yes nor no")


def read_link(text: str) -> str | None:
    """Return a web address, or None for anything else: a link of another kind is never shown to be clicked."""
    plain = text.strip()
    if not plain[:8].lower().startswith(("https://", "http://")) or not plain.isprintable() or " " in plain:
        return None
    return plain if len(plain) <= 2000 else None
