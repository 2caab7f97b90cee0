"""An export by the address that REST gives, through the edge."""

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from rushes import Client, Media, Unavailable
from tests.e2e.rest import Rest, reason
from tests.e2e.running import Running


def test_rest_gives_an_address_from_which_a_browser_saves_the_zip(
    rest: Rest, image: Media, video: Media
) -> None:
    made = rest("POST /v1/exports", {"mediaIds": [video.media_id, image.media_id]})
    assert int(made.json["sizeBytes"]) == image.size_bytes + video.size_bytes

    answer = rest.media(made.json["exportUrl"])

    assert (answer.status, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"].startswith("attachment; ")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        entries = json.loads(archive.read("manifest.json"))["media"]
        hashes = [hashlib.sha256(archive.read(entry["file"])).hexdigest() for entry in entries]
    assert hashes == [video.sha256, image.sha256]
    assert [entry["recipe"]["sha256"] for entry in entries] == hashes
    changed = rest.media(made.json["exportUrl"].replace("signature=", "signature=A"))
    assert (changed.status, reason(changed.json)) == (403, "CREDENTIALS_INVALID")


def test_a_zip_that_is_cut_behind_the_edge_is_no_file(
    run: Running, user: str, image: Media, tmp_path: Path
) -> None:
    # Given an item that lost a part of its bytes
    [path] = [p for p in (run.data / "blobs").rglob(image.media_id) if p.is_file()]
    path.chmod(0o600)
    os.truncate(path, image.size_bytes // 2)

    server, token = f"localhost:{run.port}", run.token(user)
    with Client(server, token, retry_for=0) as client, pytest.raises(Unavailable):
        client.export([image.media_id], tmp_path / "cut.zip")
    assert list(tmp_path.iterdir()) == []
