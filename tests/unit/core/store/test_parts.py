"""Every statement of the store finds its named parts."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import core.store
from core.store.engine.sql import Dialect, Statement


def statements() -> Iterator[tuple[str, Statement]]:
    """The statements of all modules of the store, by module and name."""
    for module in pkgutil.walk_packages(core.store.__path__, "core.store."):
        if ".migrations." in module.name:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            found = value.values() if isinstance(value, dict) else [value]
            for statement in found:
                if isinstance(statement, Statement):
                    yield f"{module.name}.{name}", statement


def test_there_are_statements_to_look_at() -> None:
    assert len({name.rpartition(".")[0] for name, _ in statements()}) > 15


@pytest.mark.parametrize("dialect", Dialect)
def test_every_statement_is_whole_in_both_databases(dialect: Dialect) -> None:
    for name, statement in statements():
        text, _ = statement.render(dialect)
        assert not {"{", "}"} & set(text), name
