import pytest

from core.files.sniff import EXTENSIONS, sniff_mime_type


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00", "video/mp4"),
        (b"\x00\x00\x00\x20ftypmp42\x00\x00\x00\x00", "video/mp4"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x88matroska", None),
        (b"\x00\x00\x00\x18ftypheic", None),
        (b"\x00\x00\x00\x14ftypqt  ", None),
        (b"GIF89a", None),
        (b"<html>\x89PNG\r\n\x1a\n", None),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", None),
        (b"\x89PNG", None),
        (b"", None),
    ],
)
def test_bytes_are_judged_by_their_beginning(head: bytes, expected: str | None) -> None:
    assert sniff_mime_type(head) == expected
    assert expected is None or expected in EXTENSIONS
