"""The token bucket, with the test's clock."""

from server.interceptors.limit import Buckets


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_let_through_and_then_the_rate() -> None:
    clock = Clock()
    buckets = Buckets(8, 5, clock)
    assert [buckets.take("alice") for _ in range(6)] == [True] * 5 + [False]
    clock.now += 0.125
    assert [buckets.take("alice") for _ in range(2)] == [True, False]


def test_a_long_pause_fills_the_bucket_and_no_more() -> None:
    clock = Clock()
    buckets = Buckets(10, 5, clock)
    assert buckets.take("alice")
    clock.now += 3600
    assert sum(buckets.take("alice") for _ in range(20)) == 5


def test_one_user_s_burst_is_not_another_s() -> None:
    buckets = Buckets(1, 1, Clock())
    assert buckets.take("alice")
    assert not buckets.take("alice")
    assert buckets.take("bob")


def test_buckets_of_users_who_are_gone_are_forgotten() -> None:
    clock = Clock()
    buckets = Buckets(1000, 5, clock)
    for number in range(30_000):
        clock.now += 0.001
        buckets.take(f"user {number}")
    assert len(buckets) <= 20_001
