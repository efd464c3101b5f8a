"""Keys rotate: every secret of every table, once, and a second time nothing; killed in between it goes on."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from soleflip.config import Settings, add_kept_key, new_encryption_key
from soleflip.models import SecondFactor, StockxConnection, User
from soleflip.services import keyring

OLD, NEW, LOST = new_encryption_key(), new_encryption_key(), new_encryption_key()


@pytest.fixture
def secrets(session):
    """A refresh token and three second factors under the old key."""
    session.add(StockxConnection(id=1, state="connected", refresh_token_encrypted=keyring.encrypt([OLD], "refresh")))
    for number in range(3):
        user = User(email=f"{number}@soleflip.test", password_hash="x")
        session.add(user)
        session.flush()
        session.add(SecondFactor(user_id=user.id, secret_encrypted=keyring.encrypt([OLD], f"totp {number}")))
    session.flush()


def readable(session, *keys):
    session.expire_all()
    sealed = [session.get_one(StockxConnection, 1).refresh_token_encrypted]
    sealed += [factor.secret_encrypted for factor in session.query(SecondFactor)]
    return sorted(str(keyring.decrypt(keys, each)) for each in sealed)


def test_every_secret_is_sealed_with_the_newest_key_and_again_nothing(session, transaction, secrets):
    wanted = readable(session, OLD)
    assert keyring.rotate(transaction, [NEW, OLD]) == keyring.Rotation(4, {})
    assert readable(session, NEW) == wanted
    assert keyring.rotate(transaction, [NEW, OLD]) == keyring.Rotation(0, {})


def test_killed_in_between_it_goes_on_where_it_was(session, transaction, secrets):
    wanted, left = readable(session, OLD), [3]

    @contextmanager
    def dying():
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        with transaction() as inner:
            yield inner

    with pytest.raises(KeyboardInterrupt):
        keyring.rotate(dying, [NEW, OLD])
    assert readable(session, NEW, OLD) == wanted
    assert keyring.rotate(transaction, [NEW, OLD]).renewed in (1, 2, 3)
    assert readable(session, NEW) == wanted


def test_what_no_key_opens_is_named_and_left(session, transaction, secrets):
    session.get_one(StockxConnection, 1).refresh_token_encrypted = keyring.encrypt([LOST], "refresh")
    session.flush()
    done = keyring.rotate(transaction, [NEW, OLD])
    assert done == keyring.Rotation(3, {"auth.stockx_connection.refresh_token_encrypted": 1})


def test_a_key_is_put_before_those_the_data_folder_keeps(tmp_path):
    before = Settings.from_env({"SOLEFLIP_DATA": str(tmp_path)})
    assert add_kept_key(before.data, NEW, before.encryption_keys)
    after = Settings.from_env({"SOLEFLIP_DATA": str(tmp_path)})
    assert after.encryption_keys == (NEW, *before.encryption_keys)
    assert (tmp_path / "secrets" / "encryption_key").stat().st_mode & 0o077 == 0
    named = Settings.from_env({"SOLEFLIP_DATA": str(tmp_path), "ENCRYPTION_KEY": OLD})
    assert not add_kept_key(named.data, LOST, named.encryption_keys)
