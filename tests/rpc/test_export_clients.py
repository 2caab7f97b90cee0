"""Exports by the Python client and by the command line, against real processes."""

import asyncio
import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rushes
from core.blobs import open_blobs
from core.store import media
from tests.house import House, LoopThread, close_house, open_house
from tests.http_process import http_process
from tests.making import new_media
from tests.ports import free_port
from tests.rpc.command_line import run
from tests.services import Valkey

NO_ID = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def house(house_loop: LoopThread, valkey: Valkey, tmp_path: Path) -> Iterator[House]:
    """A server whose signed addresses lead to an HTTP process beside it."""
    port, data = free_port(), tmp_path / "data"
    address = f"http://127.0.0.1:{port}"
    house = open_house(house_loop, data, valkey.url, public_url=address)
    with http_process(data, f"127.0.0.1:{house.app.port}", port=port, RUSHES_PUBLIC_URL=address):
        yield house
    close_house(house_loop, house)


def stored(house: House, **more: Any) -> str:
    content = os.urandom(100_000)
    sha256 = hashlib.sha256(content).hexdigest()
    item = new_media(size_bytes=len(content), sha256=sha256, mime_type="image/png", **more)
    open_blobs(house.settings, bytes(32)).put_bytes(item.blob_key, content)
    media.add(house.db, item)
    return item.media_id


def hashes(path: Path) -> dict[str, str]:
    """The SHA-256 of what a ZIP has of each item, as compared with its manifest."""
    with zipfile.ZipFile(path) as archive:
        found = {}
        for one in json.loads(archive.read("manifest.json"))["media"]:
            digest = hashlib.sha256(archive.read(one["file"])).hexdigest()
            assert digest == one["media"]["sha256"]
            found[one["media"]["mediaId"]] = digest
        return found


def test_both_clients_save_a_zip(house: House, tmp_path: Path) -> None:
    items = [stored(house) for _ in range(3)]
    server, token = f"localhost:{house.app.port}", house.token("alice")

    async def save(path: Path) -> Path:
        async with rushes.AsyncClient(server, token=token) as client:
            return await client.export(items, path)

    with rushes.Client(server, token=token) as client:
        first = client.export(items, tmp_path / "a.zip")
        made = client.create_export(items[:1], url_ttl=60)
        with pytest.raises(rushes.NotFound):
            client.export([*items, NO_ID], tmp_path / "b.zip")
        with pytest.raises(FileNotFoundError):
            client.export(items, tmp_path / "missing" / "b.zip")
    second = asyncio.run(save(tmp_path / "c.zip"))

    assert (first, second) == (tmp_path / "a.zip", tmp_path / "c.zip")
    assert hashes(first) == hashes(second)
    assert set(hashes(first)) == set(items)
    assert made.size_bytes == 100_000
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["a.zip", "c.zip"]


def test_the_command_line_saves_what_is_named_or_what_fits(house: House, tmp_path: Path) -> None:
    boat, cat = stored(house, title="a boat", starred=True), stored(house, title="a cat")

    code, said, error = run(house, tmp_path, "export", cat, boat[:30], "-o", "both.zip")
    assert (code, said) == (0, "both.zip\n"), error
    assert list(hashes(tmp_path / "both.zip")) == [cat, boat]
    for number, filters in enumerate([("--query", "boat"), ("--starred",)]):
        name = f"{number}.zip"
        assert run(house, tmp_path, "export", *filters, "-o", name)[0] == 0
        assert list(hashes(tmp_path / name)) == [boat]
    code, said, _ = run(house, tmp_path, "export", "-o", "all.zip", "--json")
    assert (code, json.loads(said)) == (0, {"file": "all.zip", "mediaCount": 2})

    code, said, _ = run(house, tmp_path, "export", boat, "--address")
    assert code == 0
    assert said.startswith(f"{house.settings.address}/exports/")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--out"),
        (("-o", "x.zip", "--address"), "--out"),
        (("-o", "missing/x.zip"), "missing"),
        (("-o", "."), "is a folder"),
        (("01", "--starred", "-o", "x.zip"), "not by both"),
        (("-o", "x.zip", "--query", "nothing"), "nothing to export"),
    ],
)
def test_what_makes_no_zip_is_refused_in_a_sentence(
    house: House, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    code, said, error = run(house, tmp_path, "export", *arguments)
    assert (code, said, told in error) == (2, "", True), error
    assert not list(tmp_path.glob("*.zip"))
