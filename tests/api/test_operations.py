"""Every operation, asked well: it does its work on a world of real rows and answers its good status."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from soleflip.api.contract import OPERATIONS
from soleflip.api.document import document
from soleflip.api.examples import EXAMPLES
from soleflip.models import (
    Alert,
    AlertChannel,
    AlertDelivery,
    Export,
    ExportChunk,
    Finding,
    Item,
    Run,
    StockxListing,
)
from soleflip.services import feeds
from tests.api.conftest import Caller
from tests.api.world import DEMO_FEED, World

CSV = b"style_code,size\n"
COSTS = b"style,size,cost,date\nAB1234-100,9,20.00,2026-01-05\n"
AUTOMATION_RULE = {
    "name": "Bargains",
    "subject": "opportunity",
    "conditions": {"min_profit": 25.5, "min_roi": 20, "match": "firm"},
    "action": "list",
    "settings": {"pairs": 1, "strategy": "competitive"},
    "limits": {"money_per_day": "500.00", "pairs_per_product": 2, "actions_per_hour": 10},
    "autopilot": False,
}
MAPPING = {"columns": {"external_id": "No", "title": "Name", "price": "Price", "style_code": "Style"}, "shop": "S"}


def form(content: bytes, name: str = "file.csv", **fields: str) -> dict[str, Any]:
    return {"data": {"file": (io.BytesIO(content), name), **fields}}


def requests_to_make(world: World) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each operation with the end of its address and its body, in an order in which all can go through."""
    opportunity, listing, number, item = world.opportunity_id, world.listing_id, world.number[0], world.item_id
    yield "list_opportunities", "?limit=5&sort=-roi&min_profit=1&in_stock=true", {}
    yield "summarise_opportunities", "", {}
    yield "summarise_products", "?match=any", {}
    yield "list_opportunities_of_product", world.product_id[0] + "?everything=true", {}
    yield "summarise_sources", "", {}
    yield "list_opportunities_of_source", f"{world.shop_id[0]}", {}
    yield "show_opportunity", opportunity[0], {}
    yield "mark_bought", f"{opportunity[0]}/bought", {"json": {"price": "59.90", "quantity": 2}}
    yield "buy_opportunities", "", {"json": {"opportunity_ids": opportunity[:1]}}
    yield "dismiss_opportunities", "", {"json": {"opportunity_ids": opportunity[1:3]}}
    yield "watch_opportunities", "", {"json": {"opportunity_ids": opportunity[1:3]}}
    yield "unwatch_opportunities", "", {"json": {"opportunity_ids": opportunity[1:3]}}
    yield "reopen_opportunities", "", {"json": {"opportunity_ids": opportunity[1:3]}}
    yield "detect_opportunities", "", {}
    yield "list_feeds", "", {}
    yield "add_feed", "", {"json": {"name": "Shop", "url": "https://shop.example/feed.csv"}}
    yield "fetch_feed", "1/fetch", {}
    yield "remove_feed", "1", {}
    yield "list_doubts", "", {}
    yield (
        "decide_match",
        "",
        {"json": {"shop_id": world.shop_id[0], "product_id": world.product_id[0], "verdict": "same"}},
    )
    yield "keep_search", "", {"json": {"name": "Good ones", "query": "min_profit=20"}}
    yield "list_searches", "", {}
    yield "alert_search", "1/alerts", {"json": {"on": True}}
    yield "forget_search", "1", {}
    yield "import_feed", "", form(DEMO_FEED.read_bytes(), "demo.csv.gz")
    yield "list_imports", "", {}
    yield "show_import", world.import_id[0], {}
    yield "list_refusals", f"{world.import_id[0]}/refusals", {}
    yield "map_columns", f"{world.import_id[1]}/columns", {"json": {**MAPPING, "currency": "EUR"}}
    yield "list_items", "?state=all&sort=cost", {}
    yield "add_items", "", {"json": {"variant_id": world.variant_id[0], "cost": 70, "quantity": 2}}
    yield "show_item", item[0], {}
    yield "edit_item", item[0], {"json": {"cost": "61.00", "supplier": "Corner Shop"}}
    yield "write_off_item", f"{item[0]}/write-off", {"json": {"reason": "lost"}}
    yield "mark_arrived", "", {"json": {"item_ids": item[-3:]}}
    yield "drop_unbought", "", {"json": {"item_ids": item[:2]}}
    yield "import_items", "", form(CSV + b"AB1234-100,9\n")
    yield "find_variants", "?q=AB1234", {}
    yield "look_up_product", "", {"json": {"q": "AB1234-100"}}
    yield "preview_listings", "", {"json": {"opportunity_ids": opportunity[3:6], "item_ids": item[2:4]}}
    yield "create_from_opportunity", "", {"json": {"opportunity_id": opportunity[3], "ask": "900"}}
    yield "bulk_create", "", {"json": {"opportunity_ids": opportunity[4:9], "pricing_strategy": "competitive"}}
    yield "list_listings", "?status=all&limit=3", {}
    yield "show_listing", listing[1], {}
    yield "approve_proposals", "", {"json": {"ids": world.change_id[1:2]}}
    yield "reject_proposals", "", {"json": {}}
    yield "list_proposals", "", {}
    yield "set_price", f"{listing[2]}/price", {"json": {"new_price": "185", "reason": "market went up"}}
    yield "activate_listing", f"{listing[3]}/activate", {}
    yield "deactivate_listing", f"{world.listing_id[9]}/deactivate", {}
    yield "delete_listing", world.listing_id[10], {}
    yield "bulk_price", "", {"json": {"listing_ids": [world.listing_id[11]], "mode": "raise", "value": 5}}
    yield "bulk_state", "", {"json": {"listing_ids": [world.listing_id[12]], "action": "deactivate"}}
    yield "relist_expired", "", {}
    yield "bulk_strategy", "", {"json": {"listing_ids": listing[:3], "strategy": "patient"}}
    yield "set_strategy", f"{listing[1]}/strategy", {"json": {"strategy": "hold"}}
    yield "accept_unknown_cost", f"{listing[0]}/accept-cost", {}
    yield "decide_review", f"{listing[6]}/review", {"json": {"decision": "absent"}}
    yield "sync_listings", "", {}
    yield "show_pricing", "", {}
    yield "save_guards", "", {"json": {"values": {"max_age_minutes": 90}}}
    yield "list_replays", "", {}
    wanted = {"strategy": "hold", "settings": "{}", "episodes": "200"}
    yield "start_replay", "", {"data": wanted, "content_type": "multipart/form-data"}
    yield "show_replay", world.replay_id[0], {}
    yield "import_sales", "", form(b"sold_on,style,size,price,currency\n2026-01-05,AB1234-100,9,120.00,EUR\n")
    yield "list_rules", "", {}
    yield "add_rule", "", {"json": {"scope": "tag", "name": "spring"}}
    yield "show_rule", world.rule_id[0], {}
    yield "save_rule_strategy", f"{world.rule_id[0]}/strategy", {"json": {"acts": "patient", "strategy": "patient"}}
    yield "save_rule_guards", f"{world.rule_id[0]}/guards", {"json": {"values": {"max_age_minutes": "30"}}}
    yield "tag_listings", "", {"json": {"listing_ids": listing[:2], "tag": "summer"}}
    yield "save_listing_guards", f"{listing[1]}/guards", {"json": {"values": {"max_age_minutes": 45}}}
    yield "follow_rules", f"{listing[1]}/follow-rules", {}
    yield "save_default_settings", "", {"json": {"strategy": "hold", "settings": {}}}
    yield "remove_rule", world.rule_id[1], {}
    yield "show_performance", "", {}
    yield "begin_experiment", "", {"json": {"shares": {"competitive": 50, "hold": 50}}}
    yield "show_experiment", "", {}
    yield "end_experiment", "", {}
    yield "update_all_prices", "", {"json": {"strategy": "competitive", "dry_run": True}}
    yield "list_active_orders", "?limit=1", {}
    yield "list_past_orders", "?start_date=2026-01-01&end_date=2026-12-31", {}
    yield "show_order", number, {}
    yield "set_cost", f"{number}/cost", {"json": {"cost": "25.00", "supplier": "Sole Shop"}}
    yield "book_penalty", f"{number}/penalties", {"json": {"amount": "10.00"}}
    yield "reverse_entry", f"{number}/entries/{world.entry_id[0]}/reverse", {}
    yield "name_item", f"{world.number[1]}/item", {"json": {"item_id": None}}
    yield "sync_orders", "", {}
    yield "show_profits", "?period=all&unit=month", {}
    yield "show_groups", "?by=size", {}
    yield "show_tax_report", "2026", {}
    yield "make_tax_file", "2026/files", {"json": {"form": "xlsx"}}
    yield "list_files", "", {}
    yield "download_file", world.export_id[0], {}
    yield "import_past", "", form(COSTS, kind="costs", dry_run="true")
    yield "preview_automation_rule", "", {"json": AUTOMATION_RULE}
    yield "make_automation_rule", "", {"json": AUTOMATION_RULE}
    yield "list_automation_rules", "", {}
    rule = world.automation_rule_id[0]
    yield "show_automation_rule", rule, {}
    yield "approve_decisions", "", {"json": {"ids": world.decision_id[:1]}}
    yield "reject_decisions", "", {"json": {"ids": world.decision_id[1:2]}}
    yield "list_decisions", "?state=rejected", {}
    yield "change_automation_rule", rule, {"json": AUTOMATION_RULE | {"name": "Changed", "limits": {}}}
    yield "switch_automation_rule", f"{rule}/switch", {"json": {"enabled": False, "autopilot": False}}
    yield "remove_automation_rule", rule, {}
    yield "show_pipeline", "?stage=item&by_rules=false&q=gel", {}
    yield "process", "", {}
    yield "list_runs", "?state=failed", {}
    yield "show_run", world.run_id[1], {}
    yield "see_failures", "", {"json": {}}
    yield "retry_run", f"{world.run_id[0]}/retry", {}
    yield "go_on_with_run", f"{world.run_id[0]}/go-on", {}
    yield "cancel_run", f"{world.run_id[0]}/cancel", {}
    yield "undo_run", f"{world.run_id[3]}/undo", {}
    yield "monitor", "", {}
    yield "show_away", "", {}
    yield "show_automation_report", "?first=2026-01-01&last=2026-12-31", {}
    yield "show_timetable", "", {}
    yield "change_timetable", "quotes", {"json": {"every_seconds": 900, "is_enabled": True}}
    yield "reset_timetable", "quotes", {}
    yield "preview_resume", "", {}
    yield "start_now", "", {"json": {"kind": "quotes"}}
    yield "stop_everything", "", {"json": {"reason": "a look"}}
    yield "resume_everything", "", {"json": {"go_on": True}}
    yield "look_now", "", {}
    yield "list_findings", "?kind=stale_quotes", {}
    yield "put_findings_off", "", {"json": {"ids": [1]}}
    yield "mend_findings", "", {"json": {"ids": [1]}}
    yield "list_alerts", "?unseen=true&kind=sale", {}
    yield "try_alert_again", f"{world.alert_id[0]}/again", {}
    yield "mark_alerts_seen", "", {"json": {"ids": [1]}}
    channel = {"name": "Phone", "address": "json://hooks.example/x", "quiet_from": "22:00", "quiet_to": "07:00"}
    yield "add_channel", "", {"json": channel}
    yield "list_channels", "", {}
    yield "change_channel", "1", {"json": {"name": "Mail", "kinds": ["sale"], "pace": "daily", "daily_at": "08:00"}}
    yield "test_channel", "1/test", {}
    yield "remove_channel", "1", {}
    yield "show_settings", "", {}
    yield "save_settings", "vat", {"json": {"values": {"rate": "20"}}}
    yield "show_fees", "?day=2026-03-01", {}
    yield "enter_fees", "penalties", {"json": {"values": {"valid_from": "2026-03-01", "rate": "0.2"}}}
    yield "remove_fees", "penalties/remove", {"json": {"valid_from": "2026-03-01"}}
    yield "show_account", "", {}
    yield "list_audit", "?act=stop", {}
    yield "search_everything", "?q=AB1234", {}
    yield "disconnect_account", "", {}


AWAY = {"leave", "call_off_away", "pause_again", "look_at_paused", "bring_back", "keep_paused", "come_back"}
ELSEWHERE = {"show_label", "show_document", "list_documents"} | AWAY
"""They ask StockX, whom nobody plays here: tests/api/test_document.py and tests/jobs/test_away.py do."""


@pytest.fixture
def full(app: Flask, world: World, database: Any) -> World:
    """The world with what only some operations need: an import that waits, four more listings, one of them undoable."""
    with database() as session:
        entry = feeds.register(session, filename="table.csv", waits_for_mapping=True)
        path = Path(app.extensions["soleflip"].settings.data, "uploads", str(entry.id))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"No,Name,Price,Style\n1,Gel One,59.90,AB1234-100\n")
        world.import_id.append(str(entry.id))
        channel = AlertChannel(
            name="Old", service="JSON", address_encrypted="-", address_shown="json://…", kinds=["halt"]
        )
        alert = Alert(kind="sale", key="1-1", title="Sold", body="", raised_at=datetime.now(UTC))
        alert.deliveries.append(AlertDelivery(channel=channel, state="failed", error="Nobody answered."))
        moment = datetime.now(UTC)
        seen = {"first_seen": moment, "opened_at": moment, "last_seen": moment}
        session.add(Finding(kind="stale_quotes", subject_type="market", subject_id="quotes", title="Quotes", **seen))
        session.add(alert)
        session.flush()
        world.alert_id.append(alert.id)
        run = Run(kind="list", state="done", actor="test", params={}, counts={}, finished_at=datetime.now(UTC))
        session.add(run)
        session.flush()
        like = session.scalars(select(StockxListing).where(StockxListing.status == "active").limit(1)).one()
        for number in range(5):
            item = Item(
                product_id=like.product_id,
                variant_id=like.catalog_variant_id,
                state="listed",
                cost=Decimal(50),
                currency="EUR",
            )
            session.add(item)
            session.flush()
            listing = StockxListing(
                product_id=like.product_id,
                catalog_variant_id=like.catalog_variant_id,
                item_id=item.id,
                stockx_listing_id=f"more-{number}",
                stockx_product_id=like.stockx_product_id,
                variant_id=like.variant_id,
                currency="EUR",
                ask_price=Decimal(180),
                buy_price=Decimal(50),
                status="active",
                strategy_settings={},
                run_id=run.id if number == 4 else None,
                listed_at=like.listed_at,
            )
            session.add(listing)
            session.flush()
            world.listing_id.append(str(listing.id))
        world.run_id.append(str(run.id))
        session.add(Export(run_id=run.id, name="tax.pdf", media_type="application/pdf", rows=1, size=4))
        session.flush()
        session.add(ExportChunk(run_id=run.id, position=0, data=b"%PDF"))
        world.export_id.append(str(run.id))
    return world


def with_ids_of(example: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """The document's example of a request, about things that are there."""
    return example | {name: value for name, value in known.items() if name in example and name.endswith(("id", "ids"))}


def test_every_operation_goes_through(app: Flask, caller: Caller, full: World) -> None:
    with app.test_request_context():
        places = {
            entry["operationId"]: (method.upper(), re.sub(r"^/api/v1", "", path.partition("{")[0]))
            for path, methods in document()["paths"].items()
            for method, entry in methods.items()
        }
    asked = set()
    for name, end, options in requests_to_make(full):
        method, path = places[name]
        if name in EXAMPLES:
            options = {"json": with_ids_of(EXAMPLES[name], options["json"])}
        answer = caller.send(method, path + end, **options)
        assert answer.status_code == OPERATIONS[name].status, (name, answer.status_code, answer.text)
        if answer.status_code == 202:
            assert answer.headers["Location"].startswith("/api/v1/automation/runs/")
        asked.add(name)
    assert asked | ELSEWHERE == OPERATIONS.keys()


@pytest.mark.parametrize(
    ("kind", "starts"),
    [
        ("text/csv", b"\xef\xbb\xbf"),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b"PK"),
        ("application/pdf", b"%PDF"),
        ("application/json", b"{"),
        ("text/html, application/json;q=0.5", b"{"),
    ],
)
def test_the_tax_report_comes_as_it_is_asked_for(caller: Caller, world: World, kind: str, starts: bytes) -> None:
    answer = caller.get("/analytics/tax-report/2026", headers={"Accept": kind})
    assert answer.status_code == 200
    assert answer.mimetype == kind.partition(",")[0] or answer.mimetype == "application/json"
    assert answer.data.startswith(starts)


def test_walking_the_pages_of_a_list_shows_everything_once(caller: Caller, world: World) -> None:
    for number in range(9):
        caller.send("PUT", "/settings/vat", json={"values": {"rate": str(10 + number)}})
    lists = (
        "/quickflip/opportunities?everything=true",
        "/selling/listings?status=all",
        "/automation/runs?",
        "/inventory/items?state=all",
        "/inventory/items?state=all&sort=cost",
        "/settings/audit?act=settings",
    )
    for path in lists:
        seen: list[str] = []
        cursor = ""
        while True:
            page = caller.get(f"{path}&limit=7{cursor}").json
            assert "items" in page, (path, page)
            seen += [each["id"] for each in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        everything = [each["id"] for each in caller.get(f"{path}&limit=200").json["items"]]
        assert len(set(seen)) == len(seen) >= 3
        assert seen[: len(everything)] == everything


def test_a_cursor_counts_for_its_list_and_its_filters_only(caller: Caller, world: World) -> None:
    cursor = caller.get("/selling/listings?status=all&limit=1").json["next_cursor"]
    assert caller.get(f"/selling/listings?status=all&limit=5&cursor={cursor}").status_code == 200
    assert caller.get(f"/selling/listings?status=active&limit=1&cursor={cursor}").status_code == 422
    assert caller.get(f"/automation/runs?limit=1&cursor={cursor}").status_code == 422


def test_no_price_below_the_floor_goes_through_this_door_either(caller: Caller, world: World) -> None:
    answer = caller.send("PUT", f"/selling/listings/{world.listing_id[1]}/price", json={"new_price": "40"})
    assert answer.status_code == 409
    assert "below the floor" in answer.json["detail"]
    assert answer.json["type"].endswith("#refused")
    assert answer.json["guard"] == "below_floor"


def test_listing_below_the_floor_is_refused_by_the_guards_name(caller: Caller, world: World) -> None:
    asked = {"opportunity_id": world.opportunity_id[0], "ask": "2"}
    answer = caller.post("/selling/listings/create-from-opportunity", json=asked)
    assert answer.status_code == 409
    assert answer.json["type"].endswith("#refused")
    assert answer.json["guard"] == "below_floor"


def test_the_times_that_a_decision_rests_on_are_utc(caller: Caller, world: World) -> None:
    items = caller.get("/automation/decisions?state=waiting").json["items"]
    times = [each["detail"]["quoted_at"] for each in items]
    assert times
    for each in times:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", each)


def test_amounts_are_text_and_times_are_utc(caller: Caller, world: World) -> None:
    listing = caller.get(f"/selling/listings/{world.listing_id[1]}").json
    assert listing["ask_price"] == "180.00"
    assert listing["currency"] == "EUR"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", listing["created_at"])


def test_a_setting_may_be_a_number_or_text_wherever_settings_are_taken(caller: Caller, world: World) -> None:
    listing, rule = world.listing_id[1], world.rule_id[0]
    for number in (7.5, "7.5"):
        guards = {"values": {"min_profit": number, "max_age_minutes": 45}}
        assert caller.send("PUT", "/selling/pricing/guards", json=guards).status_code == 200
        assert caller.send("PUT", f"/selling/pricing/rules/{rule}/guards", json=guards).status_code == 200
        assert caller.send("PUT", f"/selling/listings/{listing}/guards", json=guards).status_code == 200
        vat = caller.send("PUT", "/settings/vat", json={"values": {"rate": number}})
        assert vat.json["vat"]["rate"] == "7.5"
        fee = {"values": {"valid_from": "2026-03-01", "shipping": number}}
        assert caller.post("/settings/fees/figures", fee).status_code == 200
        wanted = AUTOMATION_RULE | {"name": f"Of {number!r}", "conditions": {"min_profit": number, "max_held": 1}}
        made = caller.post("/automation/rules", wanted)
        assert made.status_code == 201, made.text
        assert made.json["conditions"]["min_profit"] == "7.5"
        assert made.json["conditions"]["max_held"] == "1"


AMOUNT, CURRENCY = re.compile(r"^-?[0-9]+.[0-9]{2}$"), re.compile(r"^[A-Z]{3}$")


def test_every_amount_has_two_decimals_and_its_currency_beside_it(app: Flask, caller: Caller, full: World) -> None:
    with app.test_request_context():
        found = document()
    schemas = found["components"]["schemas"]
    entries = [entry for methods in found["paths"].values() for entry in methods.values()]
    without: list[str] = []

    def look(schema: dict[str, Any], beside: bool, at: str, seen: frozenset[str]) -> None:
        if (name := schema.get("$ref", "").rpartition("/")[2]) in seen:
            return
        if name:
            seen, schema = seen | {name}, schemas[name]
        inside = schema.get("properties", {})
        beside = beside or any("currency" in field for field in inside)
        if schema.get("format") == "amount" and not beside:
            without.append(at)
        for field, each in inside.items():
            look(each, beside, f"{at}.{field}", seen)
        inner = [*schema.get("anyOf", ()), schema.get("items"), schema.get("additionalProperties")]
        for each in inner:
            if isinstance(each, dict):
                look(each, beside, at, seen)

    for entry in entries:
        for answer in entry["responses"].values():
            for content in answer.get("content", {}).values():
                look(content["schema"], False, entry["operationId"], frozenset())
    assert sorted(set(without)) == []
    profits = caller.get("/analytics/profits?period=7d").json
    assert profits["realised"]["revenue"] == "0.00" or AMOUNT.match(profits["realised"]["revenue"])
    assert AMOUNT.match(profits["expected"]["payout"])
    assert CURRENCY.match(profits["currency"])
