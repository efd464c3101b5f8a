"""Idempotency-Key: the same request sent twice acts once and is answered the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from flask import Response, g, make_response, request
from werkzeug.exceptions import HTTPException

from soleflip.api import problems
from soleflip.api.unit import session
from soleflip.domain.errors import SoleFlipError
from soleflip.services import idempotency

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"


def once(act: Callable[[], Any]) -> Response:
    """Act and answer; with an Idempotency-Key, the act and its answer are committed together, and only once.

    A refusal is an answer too and is kept; an answer of 500 or above is not, since the same request may go through.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return make_response(act())
    database, token_id, fingerprint = session(), g.token.id, _fingerprint()
    try:
        stored = idempotency.claim(database, token_id, key, fingerprint)
    except idempotency.InFlight as error:
        return problems.answer(409, str(error), name="in-flight", Retry_After="1")
    if stored is not None:
        headers = {REPLAYED: "true", **_location(stored.location)}
        return Response(stored.body, stored.status, content_type=stored.content_type, headers=headers)
    response = _acted(act)
    if response.status_code < 500:
        idempotency.keep(
            database,
            token_id,
            key,
            fingerprint,
            status=response.status_code,
            content_type=response.content_type,
            location=response.headers.get("Location"),
            body=response.get_data(),
        )
        database.commit()
    return response


def _acted(act: Callable[[], Any]) -> Response:
    """Act; what a refused act wrote is undone, while the claim of its key stays."""
    try:
        with session().begin_nested():
            return make_response(act())
    except SoleFlipError as error:
        return problems.of_domain(error)
    except HTTPException as error:
        return problems.of_http(error)


def _location(address: str | None) -> dict[str, str]:
    return {"Location": address} if address else {}


def _fingerprint() -> str:
    """Hash what was asked for; of a form its fields and files, since its boundary differs every time."""
    digest = hashlib.sha256()
    for part in (request.method, request.full_path):
        digest.update(part.encode() + b"\0")
    if request.mimetype == "multipart/form-data":
        for name, value in sorted(request.form.items(multi=True)):
            digest.update(f"{name}\0{value}\0".encode("utf-8", "surrogatepass"))
        for name, file in sorted(request.files.items(multi=True), key=lambda item: item[0]):
            digest.update(f"{name}\0{file.filename}\0".encode("utf-8", "surrogatepass"))
            digest.update(hashlib.file_digest(file.stream, "sha256").digest())  # type: ignore[arg-type]
            file.stream.seek(0)
    else:
        digest.update(request.get_data())
    return digest.hexdigest()
