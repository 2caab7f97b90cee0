"""The pause before a safe retry."""

from workers.backoff import Backoff


def test_it_doubles_up_to_the_longest_with_jitter() -> None:
    backoff = Backoff(100, 1000)
    for tries, whole in enumerate([100, 200, 400, 800, 1000, 1000]):
        drawn = {backoff.delay_ms(tries) for _ in range(200)}
        assert whole // 2 <= min(drawn)
        assert max(drawn) <= whole
        assert len(drawn) > 10


def test_no_number_of_tries_is_too_many() -> None:
    assert Backoff(1, 60_000).delay_ms(10_000) <= 60_000
