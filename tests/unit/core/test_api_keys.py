"""Secrets of API keys: random, of one form, and told from made-up ones without a database."""

import re

import pytest

from core import api_keys
from core.scopes import Scope
from tests.making import new_key


def test_a_secret_says_what_it_is_and_has_256_random_bits() -> None:
    secrets = {api_keys.new_secret() for _ in range(1000)}

    assert len(secrets) == 1000
    assert all(re.fullmatch(r"rushes_[0-9A-Za-z]{49}", secret) for secret in secrets)
    # Each of the places in which there is chance has many values.
    for place in range(7, 49):
        assert len({secret[place] for secret in secrets}) > 50
    assert 62**43 > 2**256


def test_a_secret_is_known_by_its_form() -> None:
    assert all(api_keys.is_secret(api_keys.new_secret()) for _ in range(1000))


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s[:-1],
        lambda s: s + "A",
        lambda s: s[:20] + ("a" if s[20] != "a" else "b") + s[21:],
        lambda s: s[:-1] + ("a" if s[-1] != "a" else "b"),
        lambda s: s[:20] + s[21] + s[20] + s[22:] if s[20] != s[21] else s[1:],
        lambda s: s.upper(),
        lambda s: s.replace("rushes_", "rushes-"),
        lambda s: s[:30] + "\u0660" + s[31:],
        lambda s: "",
        lambda s: " " + s,
        lambda s: s + "\n",
    ],
)
def test_what_is_mistyped_is_none(change: object) -> None:
    secret = api_keys.new_secret()

    assert not api_keys.is_secret(change(secret))  # type: ignore[operator]


def test_the_hash_says_nothing_of_the_secret() -> None:
    secret = api_keys.new_secret()

    assert re.fullmatch(r"[0-9a-f]{64}", api_keys.hash_of(secret))
    assert api_keys.hash_of(secret) != api_keys.hash_of(api_keys.new_secret())


def test_a_key_never_makes_keys_and_may_name_scopes_of_another_version() -> None:
    key = new_key(scopes=("keys.write", "jobs.read", "of.tomorrow"))

    assert key.known_scopes == {Scope.JOBS_READ}
