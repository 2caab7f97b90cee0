"""The fakes' common ground: a program with a ledger that survives it, faults, real media."""

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from tests.fakes import media
from tests.fakes.faults import Faults
from tests.fakes.ledger import Ledger, read_ledger
from tests.fakes.openai import KEY
from workers.runs.results.media import probe_result

AUTHORIZATION = {"authorization": f"Bearer {KEY}"}


@pytest.fixture
def program(tmp_path: Path) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-m", "tests.fakes.openai", "--port", "0"]
    command += ["--ledger", str(tmp_path / "ledger"), "--operation-seconds", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def post(url: str, prompt: str, key: str) -> httpx2.Response:
    body = {"model": "gpt-image-2", "prompt": prompt}
    headers = {**AUTHORIZATION, "idempotency-key": key}
    return httpx2.post(f"{url}/v1/images/generations", json=body, headers=headers)


def test_a_fake_is_a_program_that_prints_its_address_and_keeps_its_books(
    program: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    assert program.stdout is not None
    url = program.stdout.readline().strip()
    assert post(url, "a boat", "job-1.1").status_code == 200
    with pytest.raises(httpx2.RemoteProtocolError):
        post(url, "fake:cut-after", "job-2.1")
    assert post(url, "fake:429", "job-3.1").status_code == 429

    lines = read_ledger(tmp_path / "ledger")
    assert [(line["event"], line["key"], line["outputs"]) for line in lines] == [
        ("accepted", "job-1.1", 1),
        ("accepted", "job-2.1", 1),
    ]
    assert httpx2.get(f"{url}/__fake/posts").json() == {"/v1/images/generations": 3}

    program.send_signal(signal.SIGTERM)
    assert program.wait(10) == 0


def test_a_ledger_goes_on_where_the_last_one_ended_but_for_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    values: dict[str, Any] = {"model": "m", "outputs": 1}
    first = Ledger(path)
    first.accepted(key="a", operation="1", **values)
    first.close()
    path.write_bytes(path.read_bytes() + json.dumps({"event": "accepted"}).encode()[:9])
    assert [line["key"] for line in read_ledger(path)] == ["a"]

    second = Ledger(path)
    second.accepted(key="b", operation="2", **values)
    second.cancelled("2")
    assert [line["key"] for line in second.paid] == ["a", "b"]
    assert [line["event"] for line in second.lines] == ["accepted", "accepted", "cancelled"]
    second.close()
    assert read_ledger(tmp_path / "none") == []


def test_a_fault_acts_always_once_for_each_job_or_as_often_as_ordered() -> None:
    faults = Faults()
    assert [faults.take("fake:429 x", "job", "429") for _ in range(2)] == ["429", "429"]
    once = [faults.take("x fake:429-once", who, "429") for who in ("one", "one", "two")]
    assert once == ["429", None, "429"]
    assert faults.take("fake:429-retry-after", "job", "429") is None
    faults.order("late", 2)
    assert [faults.take("", "job", "429", "late") for _ in range(3)] == ["late", "late", None]
    with pytest.raises(ValueError, match="sleepy"):
        faults.order("sleepy")


@pytest.mark.parametrize("mime_type", ["image/png", "image/jpeg", "image/webp"])
def test_images_are_real(mime_type: str) -> None:
    with Image.open(io.BytesIO(media.image(mime_type, 48, 32))) as picture:
        assert (picture.size, picture.get_format_mimetype()) == ((48, 32), mime_type)


def test_videos_are_real_also_when_they_are_big(tmp_path: Path) -> None:
    path, size = tmp_path / "film", 3 * media.CHUNK + 7
    for data in (media.video(2), b"".join(media.big_video(size))):
        path.write_bytes(data)
        info = probe_result(path)

        assert (info.width, info.height) == (64, 36)
    assert path.stat().st_size == size
