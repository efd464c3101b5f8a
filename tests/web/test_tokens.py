"""API tokens in Settings: made, shown once, revoked."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy import select

from soleflip.models import ApiToken
from tests.web.conftest import post

PAGE = "/settings/tokens"


def make(browser: Any, **fields: Any) -> Any:
    return post(browser, PAGE, **{"name": "night watch", "scopes": ["read", "list"], "days": "90", **fields})


def secret_in(page: str) -> str:
    found = re.search(r'value="(sf_[^"]+)"', page)
    assert found, "no token on the page"
    return found[1]


def test_a_token_is_shown_once_and_opens_the_api(app: Flask, browser: Any) -> None:
    answer = make(browser)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    secret = secret_in(answer.text)
    listed = app.test_client().get("/api/v1/selling/listings", headers={"Authorization": f"Bearer {secret}"})
    assert listed.status_code == 200
    shown = browser.get(PAGE).text
    assert "night watch" in shown
    assert "read, list" in shown
    assert secret not in shown


def test_a_revoked_token_shuts_the_api_and_stays_in_the_list(app: Flask, browser: Any) -> None:
    secret = secret_in(make(browser).text)
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        token_id = session.scalars(select(ApiToken.id)).one()
    assert post(browser, f"{PAGE}/{token_id}/revoke").status_code == 303
    answer = app.test_client().get("/api/v1/selling/listings", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 401
    assert "Revoked" in browser.get(PAGE).text
    assert post(browser, f"{PAGE}/{token_id}/revoke").status_code == 409


def test_nobody_revokes_the_token_of_another(app: Flask, signed_in: Callable[..., Any]) -> None:
    make(signed_in("owner"))
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        token_id = session.scalars(select(ApiToken.id)).one()
    assert post(signed_in("operator"), f"{PAGE}/{token_id}/revoke").status_code == 404
    assert "night watch" not in signed_in("operator").get(PAGE).text


def test_a_form_that_lacks_something_says_what_and_keeps_the_rest(browser: Any) -> None:
    answer = make(browser, scopes=[])
    assert answer.status_code == 422
    assert "Choose at least one thing" in answer.text
    assert 'value="night watch"' in answer.text
    assert make(browser, name="").status_code == 422
    assert make(browser, days="soon").status_code == 422
    assert make(browser, days="99999").status_code == 422


def test_a_viewer_makes_no_tokens(signed_in: Callable[..., Any]) -> None:
    viewer = signed_in("viewer")
    assert "Make token" not in viewer.get(PAGE).text
    assert make(viewer).status_code == 403


def test_settings_lead_to_the_tokens(browser: Any) -> None:
    assert f'href="{PAGE}"' in browser.get("/settings").text
