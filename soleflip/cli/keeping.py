"""Commands that keep data and secrets safe: backups, restores, keys."""

from __future__ import annotations

from pathlib import Path

import click
from flask.cli import AppGroup, with_appcontext

from soleflip import schema
from soleflip.cli.parts import EXISTING, database, plainly, runtime
from soleflip.config import add_kept_key, new_encryption_key
from soleflip.db import db
from soleflip.domain.words import count_of
from soleflip.services import audit, backups, keyring, restores, sealing

keys = AppGroup("keys", help="Encryption keys.")


@click.command("backup")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), help="A folder; by default BACKUP_DIR.")
@with_appcontext
@plainly
def backup(to: Path | None) -> None:
    """Write an encrypted backup, and prove it by restoring it into an empty database."""
    parts = runtime()
    with database():
        made = backups.make(parts.settings, parts.transaction, to or parts.settings.backups)
    click.echo(f"{made.path}: {made.rows} rows, {made.size} bytes, restored once and compared.")
    click.echo("It opens with ENCRYPTION_KEY only: keep that key somewhere else.")


@click.command("restore")
@click.argument("file", type=EXISTING)
@click.option("--yes", is_flag=True, help="Also while others use the database: their connections are ended.")
@with_appcontext
@plainly
def restore(file: Path, yes: bool) -> None:
    """Put a backup in the place of the database; the present one is kept under another name."""
    parts = runtime()
    with database():
        db.engine.dispose()
        done = restores.restore(
            parts.settings,
            file,
            known_revisions=schema.known(),
            upgrade=schema.upgrade,
            now=parts.clock(),
            in_use_is_fine=yes,
        )
    click.echo(f"{done.rows} rows are back, compared with what the backup held.")
    click.echo(f"The database before is kept as {done.kept_as}; drop it when all is well.")
    unsure = count_of(done.unsure, "listing waits", "listings wait")
    click.echo(f"Writes to StockX are stopped, {unsure} for your decision: sync, look, `flask resume`.")


@keys.command("add")
@plainly
def add_key() -> None:
    """Put a new key before the others in the data folder, or print one for ENCRYPTION_KEY."""
    settings = runtime().settings
    fresh = new_encryption_key()
    if add_kept_key(settings.data, fresh, settings.encryption_keys):
        click.echo("A new key stands first in the data folder. Restart every process, then: flask keys rotate")
    else:
        click.echo(f"ENCRYPTION_KEY comes from the environment. Put this before the others, with a comma: {fresh}")


@keys.command("rotate")
@plainly
def rotate_keys() -> None:
    """Encrypt every secret with the newest key; killed in between, it goes on the next time."""
    parts = runtime()
    names = {sealing.key_name(key) for key in parts.settings.encryption_keys[:1]}
    with database():
        done = keyring.rotate(parts.transaction, parts.settings.encryption_keys)
        with parts.transaction() as session:
            audit.note(session, "command line", "keys rotated", secrets=done.renewed)
    click.echo(f"{done.renewed} secrets were encrypted with the newest key.")
    for column, count in done.unreadable.items():
        click.echo(f"  {count} in {column} can't be read with any key: enter them again.")
    older = [each.name for each in backups.found(parts.settings.backups) if each.key not in names]
    if older:
        click.echo(f"{len(older)} backups still need an older key: keep it until they are gone ({older[0]}, ...).")


COMMANDS: tuple[click.Command, ...] = (backup, restore, keys)
