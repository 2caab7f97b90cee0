"""What the load will ask for is drawn from its seed, and is what was ordered."""

from collections import Counter

from core.catalog.simulated import Word
from tests.crash.history import SECRET, is_user
from tests.crash.plan import CANCELS, DUPLICATES, READS, WORDS, Ask, Mix, bursts

TOTAL = 4000


def asks(seed: int, mix: Mix | None = None) -> list[Ask]:
    return [ask for burst in bursts(seed, 20, TOTAL, mix) for ask in burst.asks]


def test_the_same_seed_asks_for_the_same() -> None:
    assert asks(7) == asks(7)
    assert asks(7) != asks(8)


def test_it_asks_as_often_as_it_was_told_each_under_a_name_of_its_own() -> None:
    assert len({ask.request_id for ask in asks(7)}) == TOTAL


def test_some_are_repeated_some_are_cancelled_and_some_read_what_they_were_told() -> None:
    found = asks(7)
    repeated = sum(ask.copies > 1 for ask in found) / TOTAL
    cancelled = sum(ask.cancel_after is not None for ask in found) / TOTAL
    assert abs(repeated - DUPLICATES) < 0.02
    assert abs(cancelled - CANCELS) < 0.02
    reads = [ask for ask in found if ask.read_after is not None]
    assert abs(len(reads) / TOTAL - READS) < 0.02
    assert {ask.reads_all for ask in reads} == {True, False}


def test_bursts_have_50_to_200_submits_a_second() -> None:
    assert all(50 <= burst.per_second <= 200 for burst in bursts(7, 20, TOTAL))


def test_every_user_asks_and_every_prompt_holds_the_users_secret() -> None:
    found = asks(7)
    assert len(Counter(ask.user for ask in found)) == 20
    for ask in found:
        assert is_user(ask.user)
        assert f"{SECRET}{ask.user[-2:]}-" in ask.prompt


def test_the_words_are_words_of_the_simulator() -> None:
    assert set(WORDS) - {""} <= set(Word)
