"""When a call is sent again."""

import grpc

from rushes.errors import CredentialsExpired, NotFound, Unavailable
from rushes.retry import Backoff, CallTries

GONE = Unavailable("gone", code=grpc.StatusCode.UNAVAILABLE)
EXPIRED = CredentialsExpired("old", reason="CREDENTIALS_EXPIRED")


def test_delays_double_up_to_a_cap_and_start_anew_after_success() -> None:
    backoff = Backoff(base=1.0, cap=5.0, draw=lambda: 1.0)
    assert [backoff.next() for _ in range(5)] == [1, 2, 4, 5, 5]
    backoff.reset()
    assert backoff.next() == 1


def test_delays_are_spread_and_never_below_what_the_server_asks() -> None:
    backoff = Backoff(base=1.0, draw=lambda: 0.25)
    assert backoff.next() == 0.25
    assert backoff.next(at_least=7.0) == 7.5


def test_thousands_of_failures_do_not_overflow() -> None:
    backoff = Backoff(draw=lambda: 1.0)
    backoff.tries = 100_000
    assert backoff.next() == backoff.cap


def test_a_call_is_repeated_until_its_time_is_up() -> None:
    tries = CallTries(retry_until=10.0, fresh_token=False, backoff=Backoff(draw=lambda: 1.0))
    assert tries.after(GONE, now=0.0) == 0.5
    assert tries.after(GONE, now=9.5) is None


def test_a_refusal_stands() -> None:
    assert CallTries(10.0, fresh_token=True).after(NotFound("no"), now=0.0) is None


def test_an_expired_token_is_renewed_once_where_that_is_possible() -> None:
    assert CallTries(10.0, fresh_token=False).after(EXPIRED, now=0.0) is None
    tries = CallTries(10.0, fresh_token=True)
    assert tries.after(EXPIRED, now=0.0) == 0.0
    assert tries.after(EXPIRED, now=0.0) is None
