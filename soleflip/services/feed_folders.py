"""Folders that are watched for feeds: each file is picked up once, by its content, and only when it is whole."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from soleflip.domain.errors import InvalidInput
from soleflip.feeds import is_whole
from soleflip.models import FeedImport, FeedSource
from soleflip.services.runs import Work

ROOT = "feeds"
"""Watched folders lie in this one of the data folder."""
_NAME = re.compile(r"[\w][\w .-]{0,60}(/[\w][\w .-]{0,60}){0,3}")
_UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".filepart", ".download")
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Found:
    """A whole file with new content, copied to where nobody else writes."""

    name: str
    sha256: str
    copy: Path


def check_name(folder: str) -> str:
    """Return the name of a folder to watch; raises InvalidInput for one that could lead elsewhere."""
    plain = folder.strip()
    if plain.startswith("/"):
        raise InvalidInput("Give a name below feeds in the data folder, no path from the root.", field="folder")
    plain = plain.rstrip("/")
    if not _NAME.fullmatch(plain) or ".." in plain or len(plain) > 200:
        raise InvalidInput("A folder's name has letters, digits, spaces, dots and dashes only.", field="folder")
    return plain


def pick_up(work: Work, source: FeedSource, take: Callable[[Found], str]) -> list[str]:
    """Take what is new in a source's folder; returns a sentence about each file that has one.

    1. A file that looks otherwise than at the last look may still be written: it waits for the next look.
    2. A packed file must be whole; one that is not waits until it changes.
    3. Content that this source brought before is not taken again, whatever the file is called by now.
    """
    folder = _folder(work, source)
    said, looks = [], {}
    for path in _files(folder):
        look, last = _look(path), source.seen.get(path.name) or {}
        state = {"look": look, "taken": last.get("taken") if last.get("look") == look else None}
        looks[path.name] = state
        if last.get("look") != look:
            said.append(f"{path.name} is new: it is taken when it has not changed by the next look.")
        elif not state["taken"]:
            state["taken"], sentence = _take(work, source, path, look, take)
            said.append(f"{path.name}: {sentence}")
    with work.transaction() as session:
        kept = session.get(FeedSource, source.id)
        if kept is not None:
            kept.seen = looks
    return said


def _take(
    work: Work, source: FeedSource, path: Path, look: list[int], take: Callable[[Found], str]
) -> tuple[str | None, str]:
    """Return what became of one settled file: how it is remembered, and the sentence."""
    if not is_whole(path):
        return "broken", "the file is not whole; it is looked at again when it changes."
    copy = folder_of_uploads(work) / f"folder-{work.run_id}-{source.id}"
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(path, copy)
        if _look(path) != look:
            return None, "it changed while it was read; it waits for the next look."
        content = _digest(copy)
        if _is_known(work, source, content):
            return content, "the same content as before."
        return content, take(Found(path.name, content, copy))
    finally:
        copy.unlink(missing_ok=True)


def folder_of_uploads(work: Work) -> Path:
    """Return where files lie that wait to be read."""
    assert work.settings is not None  # noqa: S101 - every real run has them
    return work.settings.data / "uploads"


def _folder(work: Work, source: FeedSource) -> Path:
    assert work.settings is not None  # noqa: S101 - every real run has them
    folder = work.settings.data / ROOT / check_name(source.folder or "")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith(_UNFINISHED):
            yield path


def _look(path: Path) -> list[int]:
    seen = path.stat()
    return [seen.st_size, seen.st_mtime_ns]


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _is_known(work: Work, source: FeedSource, content: str) -> bool:
    query: Any = select(FeedImport.id).where(FeedImport.source_id == source.id, FeedImport.sha256 == content)
    with work.transaction() as session:
        return session.scalar(query.where(FeedImport.state.not_in(("failed", "cancelled"))).limit(1)) is not None
