"""docs/models.md shows the packaged models and prompt templates, and every key of an entry."""

import dataclasses
from pathlib import Path

from core.catalog.ability import TOKENS, Ability, Price, Rule
from core.catalog.models import Model, read_catalog
from core.catalog.prompts import TABLES, read_prompts
from core.kinds import KINDS, rendering_of
from core.process.settings import read_settings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text()


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("  ", " ")


def models_table() -> str:
    rows = []
    for model in read_catalog(None, read_settings().missing).models.values():
        end = f"{model.shutdown_time}, then `{model.replacement}`" if model.shutdown_time else ""
        needs = f"`{model.missing_setting}`" if model.missing_setting and not end else ""
        kinds = ", ".join(model.kinds)
        rows.append(row(f"`{model.model}`", kinds, model.provider, needs, end))
    return "\n".join(rows)


def prompts_table() -> str:
    return "\n".join(
        row(f"`{field}`", f"`{name}`", template.about, template.text)
        for field, templates in read_prompts(None).templates.items()
        for name, template in templates.items()
    )


def test_the_packaged_models_are_listed_as_they_are() -> None:
    assert models_table() in PAGE


def test_the_packaged_templates_are_listed_as_they_are() -> None:
    assert prompts_table() in PAGE


def test_every_key_of_an_entry_is_explained() -> None:
    keys = {f.name for kind in (Model, Ability, Price, Rule) for f in dataclasses.fields(kind)}
    keys -= {"model", "missing_setting", "video", "image"}
    named = {
        *keys,
        *TABLES,
        *TABLES.values(),
        *TOKENS,
        *(n for kind in KINDS for n in rendering_of(kind).fields),
    }
    assert [name for name in sorted(named) if f"`{name}`" not in PAGE] == []
