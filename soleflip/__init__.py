"""SoleFlip: the cockpit of a StockX reseller.

The map of the house, from the top; imports only point down:

    factory              wires everything, knows everyone
    web, api, jobs, cli  edges: translate, call one service, answer
    runtime              settings, transactions, StockX client, queue, clock
    services             use cases: functions named by verbs
    models, stockx, feeds   tables and outside worlds
    domain, db, config, sandbox   pure rules; the database; settings; a StockX of our own

One noun finds a feature on every floor: `domain/pricing`, `services/pricing.py`, `web/pricing.py`,
`templates/pricing/`, `tests/domain/test_pricing.py`. `local.py` runs the embedded servers.
"""
