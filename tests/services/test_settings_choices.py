"""A setting that is chosen from a list takes nothing else: what reads it later would fail, or quietly do nothing."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from soleflip.domain.errors import InvalidInput
from soleflip.services import settings


@pytest.mark.parametrize(
    ("group", "field", "given"),
    [
        ("vat", "treatment", "zz"),
        ("pricing", "strategy", "zz"),
        ("pricing", "repricing", "never"),
        ("feeds", "private_addresses", True),
        ("alerts", "private_addresses", "maybe"),
    ],
)
def test_what_is_no_choice_is_refused_at_its_field(session: Session, group: str, field: str, given: Any) -> None:
    with pytest.raises(InvalidInput, match="can't be chosen here") as refused:
        settings.save(session, settings.GROUPS[group], {field: given}, actor="test")
    assert refused.value.field == field
    assert group not in settings.stored(session)
