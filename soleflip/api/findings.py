"""Findings of the monitor: listed, put off, mended."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Blueprint
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import Asked, Count, Moment, Page, Paged, RunShape, Shape, Started, seal, started, unseal
from soleflip.api.unit import actor, now, runtime, session, start_run, wake_after_commit
from soleflip.domain.findings import FINDINGS
from soleflip.services import findings
from soleflip.services.findings import FindingLine

bp = Blueprint("findings", __name__, url_prefix="/automation")

TAG = "Automation"


class FindingShape(Shape):
    """One finding; `url` is the path of the page that solves it, `act` what can be done by itself."""

    id: int
    kind: str
    label: str
    sentence: str
    subject_type: str
    subject_id: str
    figures: dict[str, Any] = Field(description="What the sentence is made of; amounts as text.")
    url: str
    act: str | None
    times: int
    first_seen: Moment
    opened_at: Moment
    last_seen: Moment
    dismissed_until: Moment | None

    @classmethod
    def of(cls, line: FindingLine) -> FindingShape:
        """Write a finding."""
        names = ("id", "kind", "subject_type", "subject_id", "figures", "times")
        times = ("first_seen", "opened_at", "last_seen", "dismissed_until")
        plain = {name: getattr(line.finding, name) for name in (*names, *times)}
        return cls(label=line.label, sentence=line.sentence, url=line.url, act=line.act, **plain)


class FindingPage(Page[FindingShape]):
    """A page of findings that are still so, what matters most first, with how many wait of each kind."""

    counts: dict[str, int]
    put_off: int


class FindingQuery(Paged):
    """Which findings are wanted: those that wait, or those that are put off."""

    kind: Annotated[str, Field(pattern=f"^({'|'.join(FINDINGS)})$")] | None = None
    put_off: bool = False


class FindingsWanted(Asked):
    """Which findings are meant."""

    ids: list[Annotated[int, Field(ge=1, lt=2**63)]] = Field(min_length=1, max_length=1000)


class Mended(Shape):
    """What came of an act: the runs that carry it out, none when it is done already."""

    runs: list[RunShape]


@bp.post("/monitor")
@operation(TAG, "list", Started, status=202, acts=True)
def look_now() -> Any:
    """Look at everything live now, and keep what is found."""
    return started(start_run("monitor"))


@bp.get("/findings")
@operation(TAG, "read", FindingPage)
def list_findings(query: FindingQuery) -> FindingPage:
    """List what the monitor found and is still so."""
    view = findings.overview(
        session(),
        now(),
        runtime().books.timezone,
        kind=query.kind,
        put_off=query.put_off,
        after=unseal(query.cursor),
        limit=query.limit,
    )
    items = [FindingShape.of(line) for line in view.lines]
    return FindingPage(items=items, next_cursor=seal(view.next), counts=view.counts, put_off=view.put_off)


@bp.post("/findings/put-off")
@operation(TAG, "list", Count, acts=True)
def put_findings_off(json: FindingsWanted) -> Count:
    """Put findings off for a week."""
    return Count(changed=findings.put_off(session(), json.ids, actor=actor(), now=now()))


@bp.post("/findings/mend")
@operation(TAG, "list", Mended, acts=True)
def mend_findings(json: FindingsWanted) -> Mended:
    """Do what findings propose: reprice, delist, refresh quotes, or take a fee over."""
    started = findings.mend(session(), json.ids, actor=actor(), now=now())
    return Mended(runs=[RunShape.of(wake_after_commit(run)) for run in started])
