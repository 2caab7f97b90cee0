"""The Python client and the command line upload files, and what a request can't hold."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from core import decoding
from core.store import uploads
from rushes import AsyncClient, Client, InvalidRequest, LimitReached, NotFound
from rushes.upload import Sending
from tests.house import LoopThread, close_house, open_house
from tests.ports import free_port
from tests.rpc.requests import noisy, png
from tests.rpc.sending import Harbour, harbour_of
from tests.services import Valkey, wait_for


@pytest.fixture
def harbour(house_loop: LoopThread, valkey: Valkey, tmp_path: Path) -> Iterator[Harbour]:
    """Addresses lead to where the HTTP application listens."""
    port = free_port()
    house = open_house(
        house_loop, tmp_path / "data", valkey.url, public_url=f"http://127.0.0.1:{port}"
    )
    with harbour_of(house, port) as opened:
        yield opened
    close_house(house_loop, house)
    decoding.close()


def environment(harbour: Harbour) -> dict[str, str]:
    return {
        "RUSHES_SERVER": f"127.0.0.1:{harbour.house.app.port}",
        "RUSHES_TOKEN": harbour.house.token("alice"),
    }


@pytest.fixture
def client(harbour: Harbour) -> Iterator[Client]:
    values = environment(harbour)
    with Client(values["RUSHES_SERVER"], values["RUSHES_TOKEN"], retry_for=0) as opened:
        yield opened


def test_a_file_an_open_file_and_bytes_are_uploaded(
    harbour: Harbour, client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "boat.png"
    path.write_bytes(png(64, 64))
    told: list[tuple[int, int]] = []

    media = client.upload(path, lambda sent, size: told.append((sent, size)))

    size = path.stat().st_size
    assert (media.mime_type, media.width, media.size_bytes) == ("image/png", 64, size)
    assert told == [(size, size)]
    assert harbour.bytes_of(media.media_id) == path.read_bytes()
    # The same bytes are not sent again, however they come
    told.clear()
    for again in (str(path), path.read_bytes(), BytesIO(path.read_bytes())):
        assert client.upload(again, lambda *_: told.append((0, 0))).media_id == media.media_id
    assert told == []


def test_the_client_for_asyncio_uploads_too(harbour: Harbour) -> None:
    async def upload() -> str:
        values = environment(harbour)
        async with AsyncClient(values["RUSHES_SERVER"], values["RUSHES_TOKEN"]) as client:
            return (await client.upload(png())).media_id

    assert harbour.item(asyncio.run(upload())).width == 64


def test_after_a_cut_only_the_rest_is_sent(harbour: Harbour, client: Client) -> None:
    data = noisy()

    def cut(sent: int, _: int) -> None:
        if sent > len(data) // 2:
            raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError):
        client.upload(data, cut)
    begun = harbour.begin(data)

    def kept() -> int:
        upload = uploads.find(harbour.house.db, begun.media_id)
        return upload.offset if upload and upload.released else 0

    wait_for(lambda: kept() > 0, "what had come is kept")
    before, told = kept(), []
    media = client.upload(data, lambda sent, _: told.append(sent))
    assert media.media_id == begun.media_id
    assert told[0] > before
    assert harbour.bytes_of(media.media_id) == data


def test_an_upload_waits_for_another_that_sends_the_same(harbour: Harbour, client: Client) -> None:
    data = noisy()
    begun = harbour.begin(data)
    with harbour.sending(begun.upload_url, data[:1000], len(data)) as other:
        wait_for(lambda: not _released(harbour, begun.media_id), "a receiver")

        def leave(sent: int, _: int) -> None:
            other.close()

        # The server refuses the first try, and the other leaves meanwhile
        assert client.upload(data, leave).media_id == begun.media_id
    assert harbour.bytes_of(begun.media_id) == data


def _released(harbour: Harbour, media_id: str) -> bool:
    upload = uploads.find(harbour.house.db, media_id)
    return upload is not None and upload.released


def test_what_is_refused_is_said(harbour: Harbour, client: Client, tmp_path: Path) -> None:
    gif = tmp_path / "boat.gif"
    gif.write_bytes(b"GIF89a" + b"\0" * 100)
    with pytest.raises(InvalidRequest) as early:
        client.upload(gif)
    assert early.value.violations[0][0] == "mime_type"
    with pytest.raises(InvalidRequest) as late:
        client.upload(gif.read_bytes())
    assert late.value.reason == "INPUT_MEDIA_INVALID"
    assert harbour.count_uploads() == 0
    for number in range(20):
        harbour.begin(b"%d" % number)
    with pytest.raises(LimitReached):
        client.upload(png())
    with pytest.raises(FileNotFoundError):
        client.upload(tmp_path / "missing.png")


def test_inputs_that_a_request_can_not_hold_are_uploaded(
    harbour: Harbour, client: Client, tmp_path: Path
) -> None:
    large, small = tmp_path / "large.png", png(8, 8)
    large.write_bytes(noisy())

    job = client.submit_image("sea", references=[small, large]).job

    one, two = (item.media_id for item in job.image.references)
    assert (harbour.bytes_of(one), harbour.bytes_of(two)) == (small, large.read_bytes())
    # The same file is sent once, also for another field
    video = client.submit_video("sea", first_frame=str(large), validate_only=True).job.video
    assert video.first_frame.media_id == two


def rushes(harbour: Harbour, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "rushes.cli", *arguments]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("RUSHES_")}
    variables = {**clean, **environment(harbour)}
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


def test_the_command_line_uploads_files(harbour: Harbour, client: Client, tmp_path: Path) -> None:
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    one.write_bytes(png(32, 32))
    two.write_bytes(noisy())

    plain = rushes(harbour, "upload", str(one), str(two))
    as_json = rushes(harbour, "upload", str(one), str(two), "--json")

    lines = [line.split(" ", 1) for line in plain.stdout.splitlines()]
    assert [name for _, name in lines] == [str(one), str(two)]
    items = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert [item["mediaId"] for item in items] == [media_id for media_id, _ in lines]
    missing = rushes(harbour, "upload", "missing.png")
    assert (missing.returncode, "there is no file" in missing.stderr) == (2, True)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nothing")
    refused = rushes(harbour, "upload", str(bad), "--json")
    assert refused.returncode == 2
    told = json.loads(refused.stderr)
    assert told["reason"] == "INPUT_MEDIA_INVALID"
    assert told["message"].startswith(f"{bad}: ")


def test_a_large_picture_is_an_input_of_generate(harbour: Harbour, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(noisy())

    done = rushes(
        harbour, "generate", "image", "sea", "--reference", str(large), "--no-wait", "--json"
    )

    job = json.loads(done.stdout)
    media_id = job["image"]["references"][0]["mediaId"]
    assert harbour.bytes_of(media_id) == large.read_bytes()


def test_an_address_that_is_gone_is_not_found(harbour: Harbour) -> None:
    data = png()
    begun = harbour.begin(data)
    harbour.begin(data, size_bytes=1)

    with pytest.raises(NotFound):
        Sending(data, begun.upload_url, len(data)).send(threading.Event())
