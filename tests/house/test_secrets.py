"""Every column that holds a secret says so by its type, and so is found when keys rotate."""

from __future__ import annotations

import soleflip.models  # noqa: F401  (registers the tables)
from soleflip.db import Base
from soleflip.services import keyring


def test_every_encrypted_column_has_the_type_of_one() -> None:
    by_name = {
        f"{table.fullname}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if column.name.endswith("_encrypted")
    }
    assert {f"{column.table.fullname}.{column.name}" for column in keyring.columns()} == by_name
    assert by_name
