"""The pipeline: every pair on its way from an opportunity to a booked sale."""

from __future__ import annotations

from flask import Blueprint, Response, g, request

from soleflip.domain.pipeline import STAGES
from soleflip.services import pipeline
from soleflip.web.htmx import page

bp = Blueprint("pipeline", __name__, url_prefix="/pipeline")


@bp.get("")
def index() -> Response:
    """Show one page of pairs with their stage, their next step and what it waits for."""
    stage = request.args.get("stage")
    shown = pipeline.pipeline(
        g.session,
        stage=stage if stage in STAGES else None,
        by_rules=request.args.get("rules") == "1",
        words=request.args.get("q", "").strip()[:100],
        after=request.args.get("after"),
    )
    return page("automation/pipeline.html", "automation/_pipeline.html", shown=shown, stages=STAGES, stage=stage)
