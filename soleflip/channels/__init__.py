"""Channels to the operator through Apprise: an address is read, and a message sent, by a process of its own.

The process (`__main__.py`) ends when its time is up, whatever a service does, and knows one address and none of our
settings.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from soleflip.config import PROJECT
from soleflip.domain.errors import InvalidInput

SECONDS = 20.0
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "SYSTEMROOT")
NO_ANSWER = "No answer came in time: the message may have arrived, and is sent again all the same."


@dataclass(frozen=True, slots=True)
class Address:
    """What of an Apprise address may be shown: the service's name, and the address without its secrets."""

    service: str
    shown: str


@dataclass(frozen=True, slots=True)
class Message:
    """A title, a text, and whether it is urgent."""

    title: str
    body: str
    is_urgent: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message: `is_sent` when the service took it, else why not, without secrets."""

    is_sent: bool
    why: str


def read(address: str) -> Address:
    """Return what of an Apprise address may be shown; raises InvalidInput for one that no service understands."""
    answer = _ask({"address": address}, SECONDS)
    if not answer.get("service"):
        raise InvalidInput(
            "This is no address of a service we know. It looks like discord://, tgram://, ntfy:// or mailto://"
            " with what the service gave you.",
            field="address",
        )
    return Address(str(answer["service"]), str(answer["shown"]))


def send(address: str, message: Message, *, allow_private: bool, seconds: float = SECONDS) -> Outcome:
    """Send a message through a process of its own and return what became of it, in at most so many seconds."""
    told = {"title": message.title, "body": message.body, "is_urgent": message.is_urgent}
    answer = _ask({"address": address, "message": told, "allow_private": allow_private}, seconds)
    return Outcome(bool(answer.get("is_sent")), str(answer.get("why") or NO_ANSWER))


def _ask(order: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Give an order to a process of its own and return its answer, which is empty when it gave none in time."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "soleflip.channels"],
            cwd=PROJECT,
            env={name: value for name, value in os.environ.items() if name in PASSED_ON},
            input=json.dumps(order),  # where no list of processes shows the address
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
            timeout=seconds,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError):
        return {}
    return answer
