"""Planted bugs: `python -m tests.crash.planted <bug> server|workers` runs a process that has one.

A bug is a few edits of the product's source, made while Python imports it: the files stay as they
are, and know nothing of it. An edit whose text is gone fails, so no bug goes out of date unnoticed.
"""

import importlib.machinery
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.crash.planted.bugs import BUGS, Bug, Edit

ROOT = Path(__file__).parents[3]

__all__ = ["BUGS", "ROOT", "Bug", "Edit", "Planter", "plant"]


def plant(edits: Sequence[Edit], source: str) -> str:
    """The source with the edits.

    Raises:
        ValueError: when a text is not there exactly once.
    """
    for edit in edits:
        if source.count(edit.text) != 1:
            raise ValueError(f"{edit.file} does not hold once: {edit.text}")
        source = source.replace(edit.text, edit.instead)
    return source


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module with a bug in it; never from a cache, and never into one."""

    def __init__(self, name: str, path: str, edits: Sequence[Edit]) -> None:
        super().__init__(name, path)
        self._edits = edits

    def path_stats(self, path: str) -> Any:
        raise OSError("not cached")

    def get_data(self, path: str) -> bytes:
        return plant(self._edits, super().get_data(path).decode()).encode()


class Planter:
    """Plants a bug in the modules that are imported from now on: put it into sys.meta_path."""

    def __init__(self, bug: Bug) -> None:
        self._edits: dict[str, list[Edit]] = {}
        for edit in bug.edits:
            module = edit.file.removesuffix(".py").replace("/", ".")
            self._edits.setdefault(module, []).append(edit)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in self._edits:
            return None
        file = ROOT / f"{name.replace('.', '/')}.py"
        loader = _Loader(name, str(file), self._edits[name])
        return importlib.util.spec_from_file_location(name, file, loader=loader)
