"""Forms: the CSRF field comes with FlaskForm, errors of services land at the field they name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from flask import request
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import EqualTo, InputRequired, Length

from soleflip.domain.errors import InvalidInput
from soleflip.web.settings_texts import TEXTS, Text


class SignInForm(FlaskForm):  # type: ignore[misc]
    """E-mail and password."""

    email = StringField("E-mail", [InputRequired("Your e-mail address is missing."), Length(max=254)])
    password = PasswordField("Password", [InputRequired("Your password is missing."), Length(max=200)])


class CodeForm(FlaskForm):  # type: ignore[misc]
    """A code of the second factor, or a recovery code."""

    code = StringField("Code", [InputRequired("The code is missing."), Length(max=40)])


class PasswordForm(FlaskForm):  # type: ignore[misc]
    """The old password once, the new one twice."""

    old = PasswordField("Your password now", [InputRequired("Your password is missing."), Length(max=200)])
    password = PasswordField("New password", [InputRequired("The new password is missing.")])
    again = PasswordField(
        "New password again", [InputRequired("Type it again."), EqualTo("password", "This differs from the first one.")]
    )


def ids_in(name: str) -> list[UUID]:
    """Return the ids of a form field; a line of several units sends theirs with commas between."""
    return read_ids(part for value in request.form.getlist(name) for part in value.split(","))


def read_ids(texts: Iterable[str]) -> list[UUID]:
    """Read ids, each once, passing over what is empty; raises InvalidInput for what is no id."""
    try:
        return list(dict.fromkeys(UUID(text) for text in texts if text))
    except ValueError as error:
        raise InvalidInput("The selection can't be read. Reload the page and select again.", field="ids") from error


def selected(noun: str) -> list[UUID]:
    """Return the ids of the rows that were ticked; raises InvalidInput when none was."""
    ids = ids_in("ids")
    if not ids:
        raise InvalidInput(f"Select at least one {noun}.", field="ids")
    return ids


def add_error(form: Any, error: InvalidInput) -> None:
    """Put what a service refused at the field it names; else at the form as a whole."""
    field = form._fields.get(error.field or "")
    if field is not None:
        field.errors = [*field.errors, str(error)]
    else:
        form.form_errors.append(str(error))


@dataclass(frozen=True, slots=True)
class SettingField:
    """One setting as the page shows it."""

    name: str
    id: str
    text: Text
    value: Any
    errors: tuple[str, ...] = ()


def settings_fields(
    group: str, stored: Any, typed: Mapping[str, Any] | None = None, error: InvalidInput | None = None
) -> list[SettingField]:
    """Make the fields of a group from its dataclass; what was typed stays, and an error stands at its field."""
    texts = TEXTS.get(group, {})
    return [
        SettingField(
            name=field.name,
            id=f"{group}-{field.name}",
            text=texts.get(field.name, Text(field.name.replace("_", " ").capitalize())),
            value=(typed or {}).get(field.name, getattr(stored, field.name)),
            errors=(str(error),) if error is not None and error.field == field.name else (),
        )
        for field in fields(stored)
    ]
