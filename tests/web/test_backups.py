"""The page of backups: made now, listed, and taken away by nobody but the owner."""

from __future__ import annotations

from soleflip.jobs import tasks
from soleflip.models import AuditEntry, Run
from soleflip.services import backups, runs
from tests.web.conftest import EMAIL, post


def make_one(app, browser):
    """Press the button and have the worker's part done."""
    answer = post(browser, "/settings/backups")
    assert answer.status_code == 303
    with app.app_context():
        tasks.perform(answer.location.rsplit("/", 1)[1])
        with app.extensions["soleflip"].transaction() as session:
            run = session.query(Run).filter_by(kind="backup").one()
            assert run.state == "done", run.error
            assert "restored once and compared" in run.message
    (made,) = backups.found(app.extensions["soleflip"].settings.backups)
    return made


def test_a_backup_is_made_listed_and_downloaded_by_the_owner(app, signed_in):
    owner = signed_in("owner")
    assert "No backup yet" in owner.get("/settings/backups").text
    made = make_one(app, owner)
    assert made.name in owner.get("/settings/backups").text
    answer = post(owner, f"/settings/backups/{made.name}")
    with answer:
        assert answer.data == made.path.read_bytes()
    assert answer.headers["Content-Disposition"].startswith("attachment")
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        entry = session.query(AuditEntry).filter_by(act="backup downloaded").one()
        assert (entry.actor, entry.subject) == (EMAIL["owner"], made.name)


def test_nobody_but_the_owner_takes_one_away(app, signed_in):
    made = make_one(app, signed_in("operator"))
    for role in ("operator", "viewer"):
        page = signed_in(role).get("/settings/backups").text
        assert made.name in page
        assert f'action="/settings/backups/{made.name}"' not in page
        assert post(signed_in(role), f"/settings/backups/{made.name}").status_code == 403


def test_no_other_file_can_be_asked_for(signed_in):
    for name in ("..%2Fsecrets%2Fencryption_key", ".backup", "soleflip-20260101T000000Z.backup", "x"):
        assert post(signed_in("owner"), f"/settings/backups/{name}").status_code == 404


def test_the_timetable_makes_none_while_the_newest_is_young(app, signed_in):
    make_one(app, signed_in())
    with app.app_context():
        with app.extensions["soleflip"].transaction() as session:
            again = runs.start(session, "backup", actor="timetable").id
        tasks.perform(str(again))
        with app.extensions["soleflip"].transaction() as session:
            assert "young enough" in session.get_one(Run, again).message
    assert len(backups.found(app.extensions["soleflip"].settings.backups)) == 1
