"""Every template compiles, and asks only for templates that are there."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import Environment, meta

from soleflip import factory
from soleflip.config import PROJECT, Settings

FOLDER = PROJECT / "templates"
TEMPLATES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    settings = Settings.from_env({"SOLEFLIP_DATA": str(tmp_path_factory.mktemp("data"))})
    return factory.create_app(settings).jinja_env


def test_there_are_templates() -> None:
    assert "base.html" in TEMPLATES


@pytest.mark.parametrize("name", TEMPLATES)
def test_template_compiles(name: str, environment: Environment) -> None:
    environment.get_template(name)
    source = Path(FOLDER, name).read_text("utf-8")
    wanted = meta.find_referenced_templates(environment.parse(source))
    missing = [other for other in wanted if other is not None and not (FOLDER / other).is_file()]
    assert missing == []
