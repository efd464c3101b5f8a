"""Sourcing runs: from new offers to opportunities, and quotes kept fresh."""

from __future__ import annotations

from soleflip.domain.words import count_of
from soleflip.services import catalog, evaluation, market, searches
from soleflip.services.runs import Work


def detect(work: Work) -> str:
    """Match, look up, quote and compute: everything between an offer and an opportunity (run kind `detect`)."""
    work.progress(done=0, message="Matching offers with the catalog")
    said = [catalog.look_up(work), market.fetch_due(work), _recompute(work)]
    return " ".join(sentence for sentence in said if sentence)


def refresh_quotes(work: Work) -> str:
    """Fetch the quotes that are due and compute what rests on them (run kind `quotes`)."""
    said = [market.fetch_due(work) or "All quotes are fresh.", _recompute(work)]
    return " ".join(said)


def compute(work: Work) -> str:
    """Compute what changed settings mean for the opportunities, without asking StockX (run kind `compute`)."""
    return _recompute(work)


def _recompute(work: Work) -> str:
    count = evaluation.recompute_all(work)
    with work.transaction() as session:
        new = searches.tell_new(session, work.clock())
    return f"{count_of(count, 'opportunity', 'opportunities')} computed." + (
        f" {new} new in saved searches." if new else ""
    )
