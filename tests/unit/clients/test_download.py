"""Signed addresses become files: whole and checked, or not at all."""

import io
from pathlib import Path

import pytest

from rushes import Client, errors
from rushes.download import address_runs_out, extension, target, targets
from rushes.v1 import media_service_pb2 as pb
from rushes.v1.media_pb2 import Media
from tests.unit.clients.making import CLIP, MEDIA_ID, a_clip
from tests.unit.clients.stand_in import Files, StandIn


def test_a_file_arrives_whole(server: StandIn, files: Files, tmp_path: Path) -> None:
    media = a_clip(files.put("clip", (200, CLIP)))
    with Client(server.address) as client:
        client.download(media, tmp_path / "waves.mp4")
    assert (tmp_path / "waves.mp4").read_bytes() == CLIP
    assert [path.name for path in tmp_path.iterdir()] == ["waves.mp4"]


def test_in_a_folder_the_file_takes_the_name_of_the_media(
    server: StandIn, files: Files, tmp_path: Path
) -> None:
    media = a_clip(files.put("clip", (200, CLIP)))
    with Client(server.address) as client:
        path = client.download(media, tmp_path)
    assert path == tmp_path / f"{MEDIA_ID}.mp4"
    assert path.read_bytes() == CLIP


def test_a_server_cannot_choose_another_folder(tmp_path: Path) -> None:
    assert target(tmp_path, a_clip(media_id="../evil")) == tmp_path / "evil.mp4"


@pytest.mark.parametrize("to", ["missing/waves.mp4", "missing/"])
def test_a_folder_that_is_missing_is_named_as_the_caller_did(
    server: StandIn, files: Files, tmp_path: Path, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    media = a_clip(files.put("clip", (200, CLIP)))
    with Client(server.address) as client, pytest.raises(FileNotFoundError) as caught:
        client.download(media, to)
    assert str(caught.value.filename).rstrip("/") == "missing"
    assert ".part" not in str(caught.value)
    assert files.asked == []


def test_several_outputs_are_numbered_or_keep_their_names_in_a_folder(tmp_path: Path) -> None:
    one, two = a_clip(media_id="a"), a_clip(media_id="b")
    assert targets(tmp_path / "x.mp4", [one]) == [tmp_path / "x.mp4"]
    assert targets(tmp_path / "x.mp4", [one, two]) == [tmp_path / "x-1.mp4", tmp_path / "x-2.mp4"]
    assert targets(tmp_path, [one, two]) == [tmp_path / "a.mp4", tmp_path / "b.mp4"]


def test_an_id_is_enough_and_an_open_file_too(server: StandIn, files: Files) -> None:
    media = a_clip(files.put("clip", (200, CLIP)))
    server.answers["GetMedia"] = pb.GetMediaResponse(media=media)
    file = io.BytesIO()
    with Client(server.address) as client:
        client.download(MEDIA_ID, file)
    assert file.getvalue() == CLIP


def test_an_expired_address_is_asked_for_again(
    server: StandIn, files: Files, tmp_path: Path
) -> None:
    old = a_clip(files.put("old", (403, b"")))
    old.url_expire_time.seconds = 1
    server.answers["GetMedia"] = pb.GetMediaResponse(media=a_clip(files.put("new", (200, CLIP))))
    with Client(server.address) as client:
        client.download(old, tmp_path / "waves.mp4")
    assert files.asked == ["/new"]


def test_damaged_bytes_leave_no_file(server: StandIn, files: Files, tmp_path: Path) -> None:
    media = a_clip(files.put("clip", (200, CLIP[:-1] + b"!")))
    out = tmp_path / "waves.mp4"
    out.write_bytes(b"before")
    with Client(server.address) as client, pytest.raises(errors.DownloadDamaged):
        client.download(media, out)
    assert out.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [out]


def test_an_outage_is_waited_out(server: StandIn, files: Files, tmp_path: Path) -> None:
    media = a_clip(files.put("clip", (503, b""), (200, CLIP)))
    with Client(server.address) as client:
        client.download(media, tmp_path / "waves.mp4")
    assert files.asked == ["/clip", "/clip"]


def test_a_refused_address_is_not_found(server: StandIn, files: Files, tmp_path: Path) -> None:
    media = a_clip(files.put("clip", (403, b"")))
    with Client(server.address) as client, pytest.raises(errors.NotFound, match="403"):
        client.download(media, tmp_path / "waves.mp4")


def test_a_server_cannot_point_at_local_files(server: StandIn, tmp_path: Path) -> None:
    media = a_clip("file:///etc/hostname")
    with Client(server.address) as client, pytest.raises(errors.NotFound):
        client.download(media, tmp_path / "waves.mp4")
    assert list(tmp_path.iterdir()) == []


def test_an_address_runs_out_when_it_is_missing_or_soon_past() -> None:
    assert address_runs_out(Media())
    assert not address_runs_out(Media(url="http://localhost/x"))


def test_unknown_types_get_a_neutral_ending() -> None:
    assert extension(Media(mime_type="video/mp4")) == "mp4"
    assert extension(Media(mime_type="application/x-evil")) == "bin"
