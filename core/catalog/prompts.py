"""Prompt templates, read from prompts.toml: fragments that this program adds to a caller's prompt.

The final prompt is the caller's prompt, then the fragments of style pack, mood and cinematography
in this order, each on a line of its own. `docs/models.md` shows the packaged templates.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import SettingsInvalid
from core.specs import Spec

# The fields of a spec that name a template, in the order of their fragments, each with the table of
# the file that has its templates.
TABLES: Mapping[str, str] = {
    "style_pack": "style_packs",
    "mood": "moods",
    "cinematography": "cinematography",
}
MAX_CHARACTERS = 1000
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Template:
    """A fragment for the provider, and a sentence for people that says what it does."""

    text: str
    about: str


class Prompts:
    """The templates, by the field that names them."""

    def __init__(self, templates: Mapping[str, Mapping[str, Template]]) -> None:
        self.templates = templates

    def entries(self) -> Iterator[tuple[str, str, Template]]:
        """Field, name and template of each template, in the order of their fragments."""
        for field in TABLES:
            for name, template in self.templates[field].items():
                yield field, name, template

    def names(self, field: str) -> list[str]:
        """The names that the field may have."""
        return list(self.templates[field])

    def unknown(self, spec: Spec) -> list[str]:
        """The fields of the spec whose names are those of no template."""
        return [field for field, name in _named(spec).items() if name not in self.templates[field]]

    def join(self, spec: Spec) -> str:
        """The final prompt of a spec that has no unknown names."""
        fragments = [self.templates[field][name].text for field, name in _named(spec).items()]
        return "\n".join(part for part in (spec.prompt, *fragments) if part)


def _named(spec: Spec) -> dict[str, str]:
    names = {field: getattr(spec, field, "") for field in TABLES}
    return {field: name for field, name in names.items() if name}


def prompts_path(path: Path | None) -> Path:
    """The file that the templates are read from: `path`, or the packaged one."""
    return path or Path(__file__).with_name("prompts.toml")


def read_prompts(path: Path | None) -> Prompts:
    """The templates in `path`, or the packaged ones.

    Raises:
        SettingsInvalid: when the file can't be read or an entry is wrong, naming it.
    """
    source = prompts_path(path)
    try:
        tables = tomllib.loads(source.read_text())
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"prompts file {source}: {error}") from None
    if unknown := sorted(tables.keys() - set(TABLES.values())):
        known = ", ".join(TABLES.values())
        raise SettingsInvalid(f"prompts file {source}: {unknown[0]} is none of {known}")
    return Prompts(
        {
            field: _read_table(f"prompts file {source}: {table}", tables.get(table, {}))
            for field, table in TABLES.items()
        }
    )


def _read_table(where: str, entries: Any) -> dict[str, Template]:
    if not isinstance(entries, dict):
        raise SettingsInvalid(f"{where}: must be a table")
    return {name: _read_template(f"{where}.{name}", name, e) for name, e in entries.items()}


def _read_template(where: str, name: str, entry: Any) -> Template:
    if not _NAME.fullmatch(name):
        raise SettingsInvalid(f"{where}: the name must be of a-z, 0-9, _ and -")
    if not isinstance(entry, dict) or entry.keys() != {"text", "about"}:
        raise SettingsInvalid(f"{where}: must have text and about, and nothing else")
    for key, value in entry.items():
        if not isinstance(value, str) or not value.strip():
            raise SettingsInvalid(f"{where}.{key}: must be a text")
        if len(value) > MAX_CHARACTERS or _CONTROL.search(value):
            limit = f"at most {MAX_CHARACTERS} characters on one line"
            raise SettingsInvalid(f"{where}.{key}: must have {limit}")
    return Template(**entry)
