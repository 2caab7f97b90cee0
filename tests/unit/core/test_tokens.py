"""Tokens: what was put in comes out, and nothing else is ever believed."""

import string
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import tokens
from core.errors import PageTokenInvalid, ResumeTokenInvalid
from core.tokens import PAGE_TOKEN_SECONDS, ResumePoint, Tokens
from tests.steady import STEADY

NOW_MS = 1_700_000_000_000
ALPHABET = string.ascii_letters + string.digits + "-_"
TOKENS = Tokens(b"k" * 32)
POINT = ResumePoint("epoch", 42)
# The last character of base64 can hold bits that mean nothing: each length has its own.
POINTS = [ResumePoint("e" * length, 42) for length in range(3)]


def page(position: object = 1) -> str:
    return TOKENS.page("alice", "jobs", [position], NOW_MS)


def spoiled(token: str) -> Iterator[str]:
    """The token with any one of its characters changed."""
    for place, character in enumerate(token):
        for other in (
            ALPHABET[ALPHABET.index(character) ^ 1],
            ALPHABET[~ALPHABET.index(character)],
        ):
            yield token[:place] + other + token[place + 1 :]


def cut(token: str) -> Iterator[str]:
    """The token without its end or its beginning, and with something more."""
    for length in range(len(token)):
        yield token[:length]
        yield token[length + 1 :]
    yield from (token + "A", token + "=", token + "\n", " " + token, token * 2)


def refuses_resume(token: str, user_id: str = "alice", reader: Tokens = TOKENS) -> bool:
    with pytest.raises(ResumeTokenInvalid):
        reader.read_resume(user_id, token)
    return True


def refuses_page(
    token: str, user_id: str = "alice", listing: str = "jobs", now_ms: int = NOW_MS
) -> bool:
    with pytest.raises(PageTokenInvalid):
        TOKENS.read_page(user_id, listing, token, now_ms)
    return True


@STEADY
@given(st.text(max_size=40), st.integers(0, 2**64 - 1), st.booleans(), st.text(max_size=20))
def test_a_resume_token_holds_its_point(epoch: str, revision: int, whole: bool, user: str) -> None:
    point = ResumePoint(epoch, revision, whole)
    token = TOKENS.resume(user, point)

    assert TOKENS.read_resume(user, token) == point
    assert set(token) <= set(ALPHABET)


@STEADY
@given(st.lists(st.integers() | st.text() | st.none(), max_size=4))
def test_a_page_token_holds_its_position(position: list[object]) -> None:
    token = TOKENS.page("alice", "jobs", position, NOW_MS)
    assert TOKENS.read_page("alice", "jobs", token, NOW_MS) == position


@pytest.mark.parametrize("point", POINTS)
def test_a_resume_token_with_one_changed_character_is_refused(point: ResumePoint) -> None:
    assert all(refuses_resume(token) for token in spoiled(TOKENS.resume("alice", point)))


@pytest.mark.parametrize("position", ["", "1", "12"])
def test_a_page_token_with_one_changed_character_is_refused(position: str) -> None:
    assert all(refuses_page(token) for token in spoiled(page(position)))


def test_a_token_that_was_cut_or_lengthened_is_refused() -> None:
    for point in POINTS:
        assert all(refuses_resume(token) for token in cut(TOKENS.resume("alice", point)))
    assert all(refuses_page(token) for token in cut(page()))


def test_a_token_in_other_letters_is_refused() -> None:
    token = next(t for n in range(1000) if set(t := page(n)) & set("-_"))
    refuses_page(token.replace("-", "+").replace("_", "/"))


def test_another_users_token_is_refused() -> None:
    refuses_resume(TOKENS.resume("bob", POINT))
    refuses_resume(TOKENS.resume("alice", POINT), user_id="")
    refuses_page(page(), user_id="bob")


def test_a_token_of_the_other_kind_is_refused() -> None:
    refuses_resume(page())
    refuses_page(TOKENS.resume("alice", POINT))


def test_a_token_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tokens, "_VERSION", b"\x03")
        resume_token, page_token = TOKENS.resume("alice", POINT), page()

    refuses_resume(resume_token)
    refuses_page(page_token)


def test_a_token_of_the_first_version_still_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tokens, "_VERSION", b"\x01")
        resume_token, page_token = TOKENS.resume("alice", POINT), page()

    assert TOKENS.read_resume("alice", resume_token) == POINT
    assert TOKENS.read_page("alice", "jobs", page_token, NOW_MS) == [1]
    refuses_resume(resume_token, "bob")


def test_a_token_of_another_installation_is_refused() -> None:
    refuses_resume(Tokens(b"o" * 32).resume("alice", POINT))


def test_a_page_token_of_another_listing_is_refused() -> None:
    refuses_page(page(), listing="jobs of another state")


def test_a_page_token_is_refused_once_it_is_too_old() -> None:
    last_ms = NOW_MS + PAGE_TOKEN_SECONDS * 1000

    assert TOKENS.read_page("alice", "jobs", page(), last_ms) == [1]
    refuses_page(page(), now_ms=last_ms + 1000)


@STEADY
@given(st.text() | st.text(ALPHABET) | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_garbage_is_refused_and_nothing_worse(garbage: str) -> None:
    refuses_resume(garbage)
    refuses_page(garbage)


def test_a_token_does_not_show_its_user() -> None:
    tokens_of = {user: TOKENS.resume(user, POINT) for user in ("alice", "bob")}
    assert len(set(tokens_of.values())) == 2
    assert len({len(token) for token in tokens_of.values()}) == 1
