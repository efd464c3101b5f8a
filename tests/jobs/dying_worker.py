"""A worker process that performs one run and kills itself at a chosen HTTP boundary, as a power cut would.

`python dying_worker.py RUN_ID WHEN N`: WHEN is `before` (the N-th request never leaves), `after` (its answer has
arrived but nothing was done with it) or `never`. It prints how many requests to StockX it made.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import requests

from soleflip.config import Settings
from soleflip.factory import create_app
from soleflip.jobs import tasks

made = 0


def die_at(when: str, number: int) -> None:
    """Wrap the one function through which every request leaves."""
    send = requests.Session.send

    def counted(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        global made
        if "/v2/" not in str(request.url):
            return send(self, request, **options)
        made += 1
        if when == "before" and made == number:
            os.kill(os.getpid(), signal.SIGKILL)
        response = send(self, request, **options)
        if when == "after" and made == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return response

    requests.Session.send = counted  # type: ignore[method-assign]


def main() -> None:
    run_id, when, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    die_at(when, number)
    with create_app(Settings.from_env()).app_context():
        tasks.perform(run_id)
    sys.stdout.write(f"{made}\n")


if __name__ == "__main__":
    main()
