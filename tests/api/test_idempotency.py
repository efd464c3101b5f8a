"""The same request sent twice acts once and is answered the same, whatever happens in between."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from soleflip.models import ApiAnswer, ApiToken, Item, Run
from soleflip.services import idempotency, runs
from soleflip.services.runs import start
from tests.api.conftest import Caller
from tests.api.world import World


def count_of(database: Any, kind: type) -> int:
    with database() as session:
        return session.scalar(select(func.count()).select_from(kind)) or 0


def same(first: Any, again: Any) -> None:
    assert (again.status_code, again.data, again.mimetype) == (first.status_code, first.data, first.mimetype)
    assert again.headers.get("Location") == first.headers.get("Location")
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_repeated_request_acts_once_and_is_answered_the_same(caller: Caller, database: Any) -> None:
    first = caller.post("/sync/orders", key="a")
    assert first.status_code == 202
    with database() as session:
        run = session.scalars(select(Run)).one()
        runs.finish(session, run.id, "done", message="Something happened in between.")
    same(first, caller.post("/sync/orders", key="a"))
    assert count_of(database, Run) == 1


def test_without_a_key_every_request_acts(caller: Caller, database: Any) -> None:
    caller.post("/sync/orders")
    caller.post("/sync/orders")
    assert count_of(database, Run) == 2


def test_a_refusal_stays_a_refusal_even_when_it_could_go_through_now(
    caller: Caller, world: World, database: Any
) -> None:
    path = f"/selling/listings/{world.listing_id[3]}/deactivate"
    first = caller.post(path, key="a")
    assert first.status_code == 409
    with database() as session:
        session.execute(update(runs.Run).values(state="done"))
    same(first, caller.post(path, key="a"))


def test_what_a_refused_request_wrote_is_undone(caller: Caller, world: World, database: Any) -> None:
    before = count_of(database, Run)
    answer = caller.post(f"/selling/listings/{world.listing_id[3]}/deactivate", key="a")
    assert answer.status_code == 409
    assert count_of(database, Run) == before
    assert count_of(database, ApiAnswer) == 1


def test_a_key_used_for_another_request_is_refused(caller: Caller, database: Any) -> None:
    caller.post("/automation/stop", {"reason": "one"}, key="a")
    for answer in (
        caller.post("/automation/stop", {"reason": "two"}, key="a"),
        caller.post("/automation/resume", {"reason": "one"}, key="a"),
    ):
        assert answer.status_code == 422
        assert answer.json["errors"][0]["field"] == "Idempotency-Key"


def test_a_key_belongs_to_its_token(make_caller: Callable[..., Caller], database: Any) -> None:
    assert make_caller().post("/sync/orders", key="a").status_code == 202
    assert make_caller().post("/sync/orders", key="a").status_code == 202
    assert count_of(database, Run) == 2


@pytest.mark.parametrize("key", ["x" * 256, "ä", " "])
def test_a_key_is_short_and_plain(caller: Caller, key: str) -> None:
    answer = caller.send("POST", "/sync/orders", headers={"Idempotency-Key": key})
    assert answer.status_code == 422


def test_a_second_request_while_the_first_is_worked_on_is_told_to_wait(
    app: Flask, caller: Caller, database: Any
) -> None:
    with database() as first:
        token_id = first.scalars(select(ApiToken.id)).one()
        assert idempotency.claim(first, token_id, "a", "-") is None
        answer = caller.post("/sync/orders", key="a")
        assert answer.status_code == 409
        assert answer.json["type"].endswith("#in-flight")
        assert int(answer.headers["Retry-After"]) >= 1
    # The first one died without an answer: nothing was done, so the same request acts.
    assert caller.post("/sync/orders", key="a").status_code == 202


def test_of_many_at_once_one_acts(caller: Caller, world: World, database: Any) -> None:
    body = {"variant_id": world.variant_id[0], "quantity": 1, "cost": "50.00"}
    before = count_of(database, Item)
    barrier, answers = threading.Barrier(6), []

    def send() -> None:
        barrier.wait()
        answers.append(caller.post("/inventory/items", body, key="a"))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count_of(database, Item) == before + 1
    made = {answer.data for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert caller.post("/inventory/items", body, key="a").data in made


def test_a_crash_leaves_the_key_free(
    app: Flask, caller: Caller, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False
    with monkeypatch.context() as broken:

        def start_and_crash(*args: Any, **options: Any) -> Run:
            start(*args, **options)
            raise ZeroDivisionError

        broken.setattr(runs, "start", start_and_crash)
        assert caller.post("/sync/orders", key="a").status_code == 500
    assert count_of(database, Run) == 0
    assert caller.post("/sync/orders", key="a").status_code == 202
    assert count_of(database, Run) == 1


def test_an_answer_is_kept_for_a_day(caller: Caller, database: Any) -> None:
    caller.post("/sync/orders", key="a")
    with database() as session:
        session.execute(update(ApiAnswer).values(created_at=func.now() - timedelta(hours=23, minutes=59)))
    assert caller.post("/sync/orders", key="a").headers["Idempotency-Replayed"]
    with database() as session:
        session.execute(update(ApiAnswer).values(created_at=func.now() - timedelta(hours=24, minutes=1)))
    assert "Idempotency-Replayed" not in caller.post("/sync/orders", key="a").headers
    assert count_of(database, Run) == 2


def test_a_file_sent_again_is_the_same_request_although_its_boundary_differs(caller: Caller, database: Any) -> None:
    def send(content: bytes, key: str) -> Any:
        form = {"file": (io.BytesIO(content), "feed.csv"), "mapping": mapping}
        headers = {"Idempotency-Key": key}
        boundary = f"multipart/form-data; boundary={uuid4().hex}"
        return caller.send("POST", "/quickflip/import", headers=headers, data=form, content_type=boundary)

    mapping = (
        '{"columns": {"external_id": "No", "title": "Name", "price": "Price", "size": "Size",'
        ' "style_code": "Style"},'
        ' "shop": "Sole Shop", "currency": "EUR"}'
    )
    content = b"No,Name,Price,Size,Style\n1,Gel One,59.90,42,AB1234-100\n"
    first = send(content, "a")
    assert first.status_code == 202, first.text
    same(first, send(content, "a"))
    assert count_of(database, Run) == 1
    assert send(content + b"2,Gel Two,69.90,43,AB1234-101\n", "a").status_code == 422
