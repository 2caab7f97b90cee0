"""The public surface."""

import types

import rushes


def test_all_is_sorted_and_complete() -> None:
    public = {
        name
        for name, value in vars(rushes).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert set(rushes.__all__) == public
    assert list(rushes.__all__) == sorted(rushes.__all__)


def test_every_exported_error_is_one_of_ours() -> None:
    for name in rushes.__all__:
        value = getattr(rushes, name)
        if isinstance(value, type) and issubclass(value, Exception) and name != "RushesWarning":
            assert issubclass(value, rushes.RushesError)


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert methods(rushes.Client) == methods(rushes.AsyncClient)
