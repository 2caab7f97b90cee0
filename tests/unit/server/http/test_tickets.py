"""Tickets on a real Valkey, which several processes share."""

from collections.abc import Iterator

import pytest
import redis

from core.errors import CredentialsInvalid, DependencyUnavailable, RateLimited
from server.http.tickets import TICKET_SECONDS, Tickets
from tests.services import Valkey

SECRET = "Bearer the-token-of-alice"


@pytest.fixture
def client(valkey: Valkey) -> Iterator[redis.Redis]:
    with redis.Redis(unix_socket_path=str(valkey.socket)) as made:
        yield made


def test_a_ticket_is_good_once_at_any_process(client: redis.Redis) -> None:
    ticket = Tickets(client, 10).make(SECRET)
    other = Tickets(client, 10)

    assert other.take(ticket) == SECRET
    with pytest.raises(CredentialsInvalid):
        other.take(ticket)


def test_the_store_never_has_the_credentials_and_forgets_the_rest(client: redis.Redis) -> None:
    ticket = Tickets(client, 10).make(SECRET)

    names = client.keys("*")
    assert len(names) == 2
    for name in names:
        assert 0 < client.ttl(name) <= TICKET_SECONDS
        value = client.get(name)
        for text in (name, value):
            assert ticket.encode() not in text
            assert b"alice" not in text


def test_a_ticket_that_has_expired_is_of_no_use(client: redis.Redis) -> None:
    tickets = Tickets(client, 10)
    ticket = tickets.make(SECRET)
    [name] = client.keys("rushes:ticket:*")

    client.pexpire(name, 0)

    with pytest.raises(CredentialsInvalid):
        tickets.take(ticket)


@pytest.mark.parametrize("ticket", ["", "x", "x" * 43, "x" * 10_000, "é" * 43, "\0" * 43])
def test_what_was_never_given_is_refused(client: redis.Redis, ticket: str) -> None:
    with pytest.raises(CredentialsInvalid):
        Tickets(client, 10).take(ticket)


def test_an_entry_that_was_changed_is_refused(client: redis.Redis) -> None:
    tickets = Tickets(client, 10)
    ticket = tickets.make(SECRET)
    [name] = client.keys("rushes:ticket:*")
    client.set(name, bytes(100))

    with pytest.raises(CredentialsInvalid):
        tickets.take(ticket)


def test_the_same_credentials_get_only_so_many_and_others_are_not_hindered(
    client: redis.Redis,
) -> None:
    tickets = Tickets(client, 3)
    for _ in range(3):
        tickets.make(SECRET)

    with pytest.raises(RateLimited):
        tickets.make(SECRET)
    assert len(client.keys("rushes:ticket:*")) == 3
    assert tickets.make("Bearer another")


def test_without_the_store_it_is_said(valkey: Valkey) -> None:
    with redis.Redis(unix_socket_path="/nowhere/valkey.sock") as away:
        tickets = Tickets(away, 3)
        with pytest.raises(DependencyUnavailable):
            tickets.make(SECRET)
        with pytest.raises(DependencyUnavailable):
            tickets.take("x" * 43)
