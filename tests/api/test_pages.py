"""Nothing the pages can do is missing: every address of the pages has its operation, or a reason to have none."""

from __future__ import annotations

from flask import Flask

from soleflip.api.contract import OPERATIONS

# What a page shows or does, and the operation that does it.
SAME: dict[str, str] = {
    "alerts.again": "try_alert_again",
    "alerts.follow": "mark_alerts_seen",
    "alerts.index": "list_alerts",
    "alerts.seen": "mark_alerts_seen",
    "analytics.groups_csv": "show_groups",
    "analytics.index": "show_profits",
    "analytics.time_csv": "show_profits",
    "audit.index": "list_audit",
    "automation.index": "monitor",
    "automation.resume": "resume_everything",
    "automation.run_now": "start_now",
    "automation.stop": "stop_everything",
    "channels.add": "add_channel",
    "channels.change": "change_channel",
    "channels.edit": "list_channels",
    "channels.index": "list_channels",
    "channels.remove": "remove_channel",
    "channels.test": "test_channel",
    "dashboard.index": "show_profits",
    "fees.enter": "enter_fees",
    "fees.index": "show_fees",
    "fees.remove": "remove_fees",
    "imports.add_source": "add_feed",
    "imports.columns": "show_import",
    "imports.fetch_source": "fetch_feed",
    "imports.index": "list_imports",
    "imports.map_columns": "map_columns",
    "imports.remove_source": "remove_feed",
    "imports.show": "list_refusals",
    "imports.upload": "import_feed",
    "inventory.add": "add_items",
    "inventory.change": "mark_arrived",
    "inventory.edit": "edit_item",
    "inventory.import_": "import_items",
    "inventory.index": "list_items",
    "inventory.look_up": "look_up_product",
    "inventory.new": "find_variants",
    "inventory.show": "show_item",
    "inventory.write_off": "write_off_item",
    "listings.accept_cost": "accept_unknown_cost",
    "listings.change": "bulk_state",
    "listings.go_on": "go_on_with_run",
    "listings.index": "list_listings",
    "listings.order": "bulk_create",
    "listings.preview": "preview_listings",
    "listings.relist": "relist_expired",
    "listings.reprice": "update_all_prices",
    "listings.retry": "retry_run",
    "listings.review": "decide_review",
    "listings.show": "show_listing",
    "listings.show_run": "show_run",
    "listings.strategy": "set_strategy",
    "listings.sync": "sync_listings",
    "listings.undo": "undo_run",
    "opportunities.bought": "mark_bought",
    "opportunities.by_shop": "summarise_sources",
    "opportunities.decide_match": "decide_match",
    "opportunities.detect": "detect_opportunities",
    "opportunities.dismiss": "dismiss_opportunities",
    "opportunities.forget_search": "forget_search",
    "opportunities.index": "list_opportunities",
    "opportunities.matches": "list_doubts",
    "opportunities.reopen": "reopen_opportunities",
    "opportunities.unwatch": "unwatch_opportunities",
    "opportunities.watch": "watch_opportunities",
    "opportunities.save_search": "keep_search",
    "opportunities.show": "show_opportunity",
    "orders.cost": "set_cost",
    "orders.documents": "list_documents",
    "orders.index": "list_active_orders",
    "orders.label": "show_label",
    "orders.name_item": "name_item",
    "orders.penalty": "book_penalty",
    "orders.reverse": "reverse_entry",
    "orders.show": "show_order",
    "orders.sync": "sync_orders",
    "pricing.decide": "approve_proposals",
    "pricing.defaults": "save_settings",
    "pricing.experiment": "begin_experiment",
    "pricing.guards": "save_guards",
    "pricing.index": "show_performance",
    "pricing.replay.import_sales": "import_sales",
    "pricing.replay.index": "list_replays",
    "pricing.replay.show": "show_replay",
    "pricing.replay.start": "start_replay",
    "pricing.rules.add": "add_rule",
    "pricing.rules.default": "save_default_settings",
    "pricing.rules.follow": "follow_rules",
    "pricing.rules.guards": "save_rule_guards",
    "pricing.rules.listing_guards": "save_listing_guards",
    "pricing.rules.remove": "remove_rule",
    "pricing.rules.show": "show_rule",
    "pricing.rules.strategy": "save_rule_strategy",
    "pricing.rules.tags": "tag_listings",
    "pricing.run": "update_all_prices",
    "runs.cancel": "cancel_run",
    "runs.index": "list_runs",
    "runs.progress": "show_run",
    "runs.show": "show_run",
    "search.palette": "search_everything",
    "search.index": "search_everything",
    "settings.disconnect": "disconnect_account",
    "settings.index": "show_settings",
    "settings.save": "save_settings",
    "settings.stockx": "show_account",
    "tax.as_csv": "show_tax_report",
    "tax.as_pdf": "show_tax_report",
    "tax.as_xlsx": "show_tax_report",
    "tax.index": "show_tax_report",
    "tax.preview": "import_past",
    "tax.take": "import_past",
    "tax.upload": "import_past",
}
# One page's form does what several operations do.
ALSO = {
    "inventory.change": ("drop_unbought",),
    "listings.change": ("bulk_price", "bulk_strategy"),
    "pricing.decide": ("reject_proposals", "list_proposals"),
    "pricing.experiment": ("end_experiment", "show_experiment"),
}
ALONE = {
    "account.confirm": "a second factor is set up by its owner, in a browser",
    "account.end_session": "a token takes the place of a session",
    "account.index": "a token takes the place of a session",
    "account.new_codes": "a second factor is set up by its owner, in a browser",
    "account.offer": "a second factor is set up by its owner, in a browser",
    "account.password": "a password is changed by its owner, in a browser",
    "account.remove_factor": "a second factor is set up by its owner, in a browser",
    "account.sign_out_everywhere": "a token takes the place of a session",
    "accounts.add": "a token can't make accounts, nor change what they may",
    "accounts.close": "a token can't make accounts, nor change what they may",
    "accounts.index": "a token can't make accounts, nor change what they may",
    "accounts.open_": "a token can't make accounts, nor change what they may",
    "accounts.remove_factor": "a token can't make accounts, nor change what they may",
    "accounts.role": "a token can't make accounts, nor change what they may",
    "auth.code": "a token takes the place of a session",
    "auth.sign_in": "a token takes the place of a session",
    "auth.sign_out": "a token takes the place of a session",
    "backups.download": "a backup holds everything: the owner takes it, in a browser",
    "backups.index": "a backup holds everything: the owner takes it, in a browser",
    "backups.make": "the timetable and `flask backup` make them",
    "health.show_metrics": "for Prometheus, which has a format of its own",
    "health.healthz": "open to supervisors as it is",
    "health.readyz": "open to supervisors as it is",
    "settings.callback": "the way back from StockX's sign-in",
    "settings.connect": "StockX's sign-in takes a browser",
    "static": "files",
    "tables.choose": "which columns are shown is each browser's own",
    "tokens.create": "a token can't make tokens",
    "tokens.index": "a token can't make tokens",
    "tokens.revoke": "a token can't make tokens",
}
SANDBOX = "sandbox."
"""The sandbox has a control interface of its own."""


def test_everything_the_pages_can_do_has_an_operation(app: Flask) -> None:
    pages = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if not rule.rule.startswith("/api/") and not rule.endpoint.startswith(SANDBOX)
    }
    assert sorted(pages - SAME.keys() - ALONE.keys()) == [], "pages without an operation, and without a reason"
    assert sorted((SAME.keys() | ALONE.keys()) - pages) == [], "pages that are no longer there"
    wanted = {*SAME.values(), *(name for names in ALSO.values() for name in names)}
    assert wanted <= OPERATIONS.keys()


def test_a_page_that_changes_something_has_an_operation_that_acts(app: Flask) -> None:
    reading = {"listings.preview"}
    for rule in app.url_map.iter_rules():
        if "POST" in (rule.methods or ()) and rule.endpoint in SAME.keys() - reading:
            assert OPERATIONS[SAME[rule.endpoint]].acts, rule.endpoint
