"""Catalog: which variant an offer is, found by GTIN or style code, looked up at StockX and remembered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, or_, select, text, update
from sqlalchemy.orm import Session

from soleflip.domain.catalog import Candidate, Verdict, judge_gtin, judge_style, style_keys
from soleflip.domain.errors import InvalidInput, NotFound
from soleflip.domain.sizes import Size
from soleflip.domain.words import count_of
from soleflip.models import Gtin, MarketPrice, StyleCode, Variant
from soleflip.services import doubts
from soleflip.services.products import remember
from soleflip.services.runs import Work
from soleflip.stockx import BudgetExhausted

ASK_AGAIN_AFTER = timedelta(days=7)
"""StockX is asked again about what it did not know after this time."""
MOST_GTIN_CALLS = 3

_EXACT = """
UPDATE integration.market_prices AS offers
SET match_state = 'firm', match_reason = 'Same GTIN.', match_doubt = NULL, variant_id = variants.id, changed_at = :now
FROM products.gtins AS gtins JOIN products.variants AS variants ON variants.id = gtins.variant_id
WHERE gtins.gtin = offers.gtin AND offers.match_state IN ('unmatched', 'none')
AND variants.sizes ->> offers.size_system = offers.size
AND (offers.style_key IS NULL OR EXISTS (
    SELECT FROM products.style_codes AS codes
    WHERE codes.product_id = variants.product_id AND codes.key = offers.style_key
))
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Offers of one style code (or of one GTIN where there is none) that nothing is known about."""

    style_code: str | None
    style_key: str | None
    gtins: tuple[str, ...]
    offers: tuple[int, ...]


def match(session: Session, now: datetime, offer_ids: Sequence[int] | None = None) -> int:
    """Match open offers with what the catalog knows; returns how many became firm.

    1. Same GTIN and same size, in one statement.
    2. Same GTIN with another spelling: the domain judges each.
    3. Same style code: the domain judges each size once.
    """
    narrowed = " AND offers.id = ANY(:ids)" if offer_ids is not None else ""
    values: dict[str, Any] = {"now": now} | ({"ids": list(offer_ids)} if offer_ids is not None else {})
    firm = int(session.execute(text(_EXACT + narrowed), values).rowcount)  # type: ignore[attr-defined]
    verdicts = [*_by_gtin(session, offer_ids)]
    verdicts += _by_style(session, offer_ids, {offer for offer, _, _ in verdicts})
    _write(session, verdicts, now)
    firm += doubts.settle(session, now)
    return firm + sum(verdict.state == "firm" for _, verdict, _ in verdicts)


def look_up(work: Work) -> str:
    """Ask StockX about unmatched offers in stock, one style after the other (run kind `catalog_lookup`)."""
    with work.transaction() as session:
        match(session, work.clock())
        wanted = _wanted(session, work.clock())
    found = 0
    for done, group in enumerate(wanted):
        work.progress(done=done, total=len(wanted), message=f"Looking up {group.style_code or group.gtins[0]}")
        try:
            found += _look_up(work, group)
        except BudgetExhausted as error:
            if error.reason != "day":
                raise
            left = count_of(len(wanted) - done, "style")
            return f"{count_of(found, 'offer')} found at StockX; {left} left for tomorrow's requests."
    work.progress(done=len(wanted), total=len(wanted))
    with work.transaction() as session:
        match(session, work.clock())
    return f"{count_of(len(wanted), 'style')} looked up, {count_of(found, 'offer')} found at StockX." if wanted else ""


def _look_up(work: Work, group: Wanted) -> int:
    """Find a style at StockX with as few requests as possible, remember its product, and match its offers.

    1. Search for the style code; only a product with exactly this code counts.
    2. Ask for the GTIN of an offer that is still open: it may belong to another product of the same code.
    3. What is then still open is doubtful, or remembered as unknown and not asked about for days.
    """
    is_known = _remember_by_code(work, group)
    firm = _match_group(work, group)
    for _ in range(MOST_GTIN_CALLS):
        with work.transaction() as session:
            gtins = _open_gtins(session, group.offers)
        if not _remember_by_gtin(work, gtins[: 1 if is_known else MOST_GTIN_CALLS]):
            break
        is_known = True
        firm += _match_group(work, group)
    of_group = MarketPrice.id.in_(group.offers)
    with work.transaction() as session:
        session.execute(update(MarketPrice).where(of_group).values(looked_up_at=work.clock()))
        firm += match(session, work.clock(), group.offers)
        session.execute(
            update(MarketPrice)
            .where(of_group, MarketPrice.match_state == "unmatched")
            .values(match_state="none", match_reason="StockX does not know this style code or GTIN.")
        )
    return firm


def _match_group(work: Work, group: Wanted) -> int:
    with work.transaction() as session:
        return match(session, work.clock(), group.offers)


def _remember_by_code(work: Work, group: Wanted) -> bool:
    if group.style_code is None or group.style_key is None:
        return False
    for spelling in _spellings(group.style_code):
        exact = [product for product in work.stockx.search(spelling) if group.style_key in style_keys(product.style_id)]
        for product in exact:
            variants = work.stockx.variants(product.product_id)
            with work.transaction() as session:
                remember(session, product, variants)
        if exact:
            return True
    return False


def _remember_by_gtin(work: Work, gtins: Iterable[str]) -> bool:
    for gtin in gtins:
        try:
            variant = work.stockx.variant_by_gtin(_shortest(gtin))
            if variant.product_id is None:
                continue
            product = work.stockx.product(variant.product_id)
            variants = work.stockx.variants(variant.product_id)
        except (NotFound, InvalidInput):
            continue
        by_id = {each.variant_id: each for each in variants}
        # The list may leave out the GTINs that the single variant has.
        by_id[variant.variant_id] = variant
        with work.transaction() as session:
            remember(session, product, list(by_id.values()), gtins={gtin: variant.variant_id})
        return True
    return False


def _spellings(code: str) -> list[str]:
    """Return a code as StockX is likely to write it, then as the shop does."""
    return list(dict.fromkeys((code.replace(".", "-").replace(" ", "-").replace("_", "-"), code)))


def _shortest(gtin: str) -> str:
    """Return a GTIN without the zeros that pad it to 14 digits: as EAN-8, UPC, EAN-13 or GTIN-14."""
    digits = gtin.lstrip("0")
    return digits.zfill(next(length for length in (8, 12, 13, 14) if len(digits) <= length))


def _wanted(session: Session, now: datetime) -> list[Wanted]:
    """Return the styles to look up, the ones with the most offers first."""
    key = func.coalesce(MarketPrice.style_key, MarketPrice.gtin)
    again = (MarketPrice.match_state == "none") & (MarketPrice.looked_up_at < now - ASK_AGAIN_AFTER)
    rows = session.execute(
        select(
            func.max(MarketPrice.style_code),
            func.max(MarketPrice.style_key),
            func.array_agg(MarketPrice.gtin.distinct()),
            func.array_agg(MarketPrice.id),
        )
        .where(
            or_(MarketPrice.match_state == "unmatched", again),
            MarketPrice.in_stock,
            MarketPrice.gone_at.is_(None),
        )
        .group_by(key)
        .order_by(func.count().desc(), key)
    )
    return [
        Wanted(code, style_key, tuple(sorted(gtin for gtin in gtins if gtin)), tuple(offers))
        for code, style_key, gtins, offers in rows
    ]


def _open_gtins(session: Session, offers: Sequence[int]) -> list[str]:
    query = select(MarketPrice.gtin).where(
        MarketPrice.id.in_(offers), MarketPrice.match_state.in_(("unmatched", "none")), MarketPrice.gtin.is_not(None)
    )
    return [gtin for gtin in session.scalars(query.order_by(MarketPrice.gtin)) if gtin]


Judged = tuple[int, Verdict, UUID | None]


def _by_gtin(session: Session, offer_ids: Sequence[int] | None) -> list[Judged]:
    """Judge the open offers whose GTIN the catalog knows."""
    query = (
        select(MarketPrice.id, MarketPrice.size, MarketPrice.size_system, MarketPrice.style_key, Variant)
        .join(Gtin, Gtin.gtin == MarketPrice.gtin)
        .join(Variant, Variant.id == Gtin.variant_id)
        .where(MarketPrice.match_state.in_(("unmatched", "none")))
    )
    rows = session.execute(_only(query, offer_ids)).all()
    codes = _codes(session, {variant.product_id for *_, variant in rows})
    judged = []
    for offer, value, system, key, variant in rows:
        size = Size(value, system) if value else None
        candidate = Candidate(frozenset(codes.get(variant.product_id, ())), variant.sizes)
        judged.append((offer, judge_gtin(size, key, candidate), variant.id))
    return judged


def _by_style(session: Session, offer_ids: Sequence[int] | None, decided: set[int]) -> list[Judged]:
    """Judge the open offers whose style code the catalog knows; one without that size stays open.

    While nobody has asked StockX for an offer's GTIN, a doubt is not yet one.
    """
    offers = MarketPrice
    query = (
        select(offers.id, offers.size, offers.size_system, offers.style_key, offers.gtin, offers.looked_up_at)
        .where(offers.match_state.in_(("unmatched", "none")))
        .where(offers.style_key.in_(select(StyleCode.key)))
    )
    rows = [row for row in session.execute(_only(query, offer_ids)) if row.id not in decided]
    candidates = _candidates(session, {row.style_key for row in rows})
    judged: list[Judged] = []
    for row in rows:
        size = Size(row.size, row.size_system) if row.size else None
        verdict, chosen = judge_style(size, row.gtin, candidates[row.style_key])
        may_ask = row.gtin is not None and row.looked_up_at is None
        if verdict.state == "firm" or (verdict.state == "doubtful" and not may_ask):
            judged.append((row.id, verdict, UUID(chosen.key) if chosen else None))
    return judged


def _candidates(session: Session, keys: set[str]) -> dict[str, list[Candidate]]:
    """Return the variants of every product of these style codes."""
    found: dict[str, list[Candidate]] = {key: [] for key in keys}
    for key, variant_id, sizes, gtins in session.execute(
        select(StyleCode.key, Variant.id, Variant.sizes, func.array_agg(Gtin.gtin))
        .join(Variant, Variant.product_id == StyleCode.product_id)
        .outerjoin(Gtin, Gtin.variant_id == Variant.id)
        .where(StyleCode.key.in_(keys))
        .group_by(StyleCode.key, Variant.id)
        .order_by(Variant.size)
    ):
        known = frozenset(gtin for gtin in gtins if gtin)
        found[key].append(Candidate(frozenset(), sizes, known, str(variant_id)))
    return found


def _only(query: Any, offer_ids: Sequence[int] | None) -> Any:
    return query if offer_ids is None else query.where(MarketPrice.id.in_(offer_ids))


def _codes(session: Session, products: set[UUID]) -> dict[UUID, list[str]]:
    codes: dict[UUID, list[str]] = {}
    for code in session.scalars(select(StyleCode).where(StyleCode.product_id.in_(products))):
        codes.setdefault(code.product_id, []).append(code.key)
    return codes


def _write(session: Session, judged: Sequence[Judged], now: datetime) -> None:
    if not judged:
        return
    offers = MarketPrice.__table__
    statement = (
        offers.update()  # type: ignore[attr-defined]
        .where(offers.c.id == bindparam("offer"))
        .values(
            match_state=bindparam("state"),
            match_reason=bindparam("why"),
            match_doubt=bindparam("doubt"),
            variant_id=bindparam("variant"),
            changed_at=now,
        )
    )
    rows = [
        {
            "offer": offer,
            "state": verdict.state,
            "why": verdict.reason[:200],
            "doubt": verdict.doubt,
            "variant": variant,
        }
        for offer, verdict, variant in judged
    ]
    session.connection().execute(statement, rows)
    session.expire_all()
