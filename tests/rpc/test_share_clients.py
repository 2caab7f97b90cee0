"""Shares by the Python client and by the command line, against a real server."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import rushes
from core.store import media
from tests.house import House
from tests.making import new_media
from tests.rpc.command_line import run

NO_ID = "00000000-0000-7000-8000-000000000000"


def film(house: House) -> str:
    item = new_media(title="a boat")
    media.add(house.db, item)
    return item.media_id


def client(house: House, user_id: str = "alice") -> rushes.Client:
    return rushes.Client(f"localhost:{house.app.port}", token=house.token(user_id))


def test_the_client_shares_lists_and_revokes(house: House) -> None:
    item = film(house)
    end = datetime.now(UTC) + timedelta(days=2)
    with client(house) as alice, client(house, "bob") as bob:
        made = alice.share(item, "bob", message="look", with_recipe=True, expire_time=end)
        link = alice.share_link(item)
        assert (made.user_id, made.message, made.with_recipe) == ("bob", "look", True)
        assert abs(made.expire_time.ToDatetime(UTC) - end) < timedelta(milliseconds=2)
        assert link.page_url
        assert {one.share_id for one in alice.shares()} == {made.share_id, link.share_id}
        assert len(list(alice.shares(item, limit=1))) == 1
        [seen] = bob.shared_media(type="video", url_ttl=60)
        assert (seen.media.media_id, seen.share.share_id) == (item, made.share_id)
        assert list(bob.shared_media(type="image")) == []
        assert bob.revoke_share(made.share_id).HasField("revoke_time")
        assert [one.share_id for one in alice.shares()] == [link.share_id]
        assert len(list(alice.shares(ended=True))) == 2
        with pytest.raises(rushes.NotFound):
            alice.share(NO_ID, "bob")


def test_the_asyncio_client_does_the_same(house: House) -> None:
    item = film(house)

    async def use() -> int:
        server = f"localhost:{house.app.port}"
        async with rushes.AsyncClient(server, token=house.token("alice")) as alice:
            made = await alice.share(item, "bob")
            await alice.share_link(item)
            count = len([one async for one in alice.shares()])
            await alice.revoke_share(made.share_id)
            assert [one async for one in alice.shared_media()] == []
            return count

    assert asyncio.run(use()) == 2


def test_the_command_line_shares_shows_and_ends(house: House, tmp_path: Path) -> None:
    item = film(house)

    code, said, _ = run(house, tmp_path, "share", item[:12], "--with", "bob", "--for", "7d")
    assert code == 0
    assert said.startswith("Shared with bob until ")
    code, said, _ = run(house, tmp_path, "share", item, "--link")
    assert code == 0
    page, file, end = said.splitlines()
    assert "/shares/" in page
    assert file.startswith("The file alone: ")
    share_id = end.rpartition("share ")[2].rstrip(".")

    code, table, _ = run(house, tmp_path, "shares")
    assert code == 0
    assert "a link" in table
    assert "bob" in table
    assert max(map(len, table.splitlines())) <= 100
    code, table, _ = run(house, tmp_path, "shares", "--with-me", user_id="bob")
    assert (code, "alice" in table, "a boat" in table) == (0, True, True)
    code, lines, _ = run(house, tmp_path, "shares", "--json")
    assert code == 0
    assert {json.loads(line)["mediaId"] for line in lines.splitlines()} == {item}

    assert run(house, tmp_path, "unshare", share_id)[0] == 0
    code, table, _ = run(house, tmp_path, "shares")
    assert "a link" not in table
    assert "revoked" in run(house, tmp_path, "shares", "--ended")[1]


@pytest.mark.parametrize(
    "wrong",
    [("--with", "bob", "--link"), (), ("--link", "--message", "x"), ("--link", "--recipe")],
)
def test_what_does_not_go_together_is_refused(
    house: House, tmp_path: Path, wrong: tuple[str, ...]
) -> None:
    code, said, error = run(house, tmp_path, "share", film(house), *wrong)
    assert (code, said) == (2, "")
    assert error


def test_an_end_that_is_too_far_away_names_the_option(house: House, tmp_path: Path) -> None:
    item = film(house)
    code, _, error = run(house, tmp_path, "share", item, "--with", "bob", "--for", "400d")
    assert (code, error) == (2, "--for: must be at most 366 days away\n")
