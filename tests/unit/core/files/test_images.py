import contextlib
import random
import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from core.errors import ImageRefused
from core.files.images import ImageInfo, read_image

LIMIT = 25_000_000
FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}


def probe_image(source: bytes | Path, limit: int) -> ImageInfo:
    return read_image(source, limit)[0]


def make_thumbnail(source: bytes | Path) -> bytes:
    return read_image(source, LIMIT)[1]


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    output = BytesIO()
    image.save(output, kind, **options)
    return output.getvalue()


def picture(width: int, height: int) -> Image.Image:
    return Image.effect_noise((width, height), 60).convert("RGB")


def black_png(width: int, height: int) -> bytes:
    """A whole one-bit PNG; 81 million black pixels take 9,924 bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = zlib.compress(bytes((width + 7) // 8 + 1) * height, 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def webp_claiming(width: int, height: int) -> bytes:
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    small = encoded(Image.new("RGB", (16, 16)), "WEBP", lossless=True)[12:]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + canvas + small
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("mime_type", FORMATS)
def test_an_image_is_known_by_its_bytes(mime_type: str) -> None:
    info = probe_image(encoded(picture(120, 70), FORMATS[mime_type]), LIMIT)

    assert (info.mime_type, info.width, info.height) == (mime_type, 120, 70)


def test_a_photo_taken_sideways_has_the_sides_that_one_sees() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(picture(640, 400), "JPEG", exif=exif)

    info = probe_image(data, LIMIT)
    thumbnail = Image.open(BytesIO(make_thumbnail(data)))

    assert (info.width, info.height) == (400, 640)
    assert thumbnail.size == (200, 320)
    assert not thumbnail.getexif()


def test_a_photo_with_a_second_picture_inside_is_a_photo() -> None:
    second = picture(40, 30)
    data = encoded(picture(80, 60), "MPO", save_all=True, append_images=[second])

    assert probe_image(data, LIMIT).mime_type == "image/jpeg"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<?xml version='1.0'?><!DOCTYPE lolz [<!ENTITY lol 'lol'>]><svg/>",
        b"%PDF-1.7\n",
        b"<html><script>alert(1)</script>" + encoded(Image.new("RGB", (9, 9)), "JPEG"),
        b"\n" + encoded(Image.new("RGB", (9, 9)), "PNG"),
        encoded(Image.new("RGB", (9, 9)), "GIF"),
        encoded(Image.new("RGB", (9, 9)), "BMP"),
        encoded(Image.new("RGB", (9, 9)), "TIFF"),
        b"\x00\x00\x00\x18ftypheic" + bytes(100),
        b"RIFF\x00\x00\x00\x00WAVE" + bytes(100),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ImageRefused, match="not a PNG, JPEG or WebP"):
        probe_image(data, LIMIT)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_is_refused(kind: str) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "lime", "blue")]

    with pytest.raises(ImageRefused, match="animated"):
        probe_image(encoded(frames[0], kind, save_all=True, append_images=frames[1:]), LIMIT)


@pytest.mark.parametrize("kind", FORMATS.values())
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.95])
def test_an_image_that_is_cut_off_is_refused(kind: str, kept: float) -> None:
    data = encoded(picture(200, 200), kind)

    with pytest.raises(ImageRefused):
        probe_image(data[: int(len(data) * kept)], LIMIT)


def test_an_image_of_garbage_is_refused() -> None:
    for head in (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\xff\xff\xff\xffWEBP"):
        for filler in (b"", b"\x00" * 4000, b"\xff" * 4000, bytes(range(256)) * 16):
            with pytest.raises(ImageRefused):
                probe_image(head + filler, LIMIT)


@pytest.mark.parametrize("kind", FORMATS.values())
def test_a_damaged_image_is_taken_or_refused_and_nothing_else(kind: str) -> None:
    chance = random.Random(kind)
    whole = encoded(picture(48, 32), kind)

    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            damaged[chance.randrange(min(200, len(whole)))] = chance.randrange(256)
        for judge in (lambda data: probe_image(data, LIMIT), make_thumbnail):
            with contextlib.suppress(ImageRefused):
                judge(bytes(damaged))


def test_the_limit_of_pixels_is_exact() -> None:
    data = encoded(Image.new("1", (100, 50)), "PNG")

    assert probe_image(data, 5000).width == 100
    with pytest.raises(ImageRefused, match="100x50 pixels, more than 4,999"):
        probe_image(data, 4999)


def test_a_packed_text_that_swells_is_refused() -> None:
    for count, size in ((1, 5_000_000), (8, 900_000)):
        text = PngImagePlugin.PngInfo()
        for number in range(count):
            text.add_text(f"note{number}", "a" * size, zip=True)

        with pytest.raises(ImageRefused):
            probe_image(encoded(Image.new("RGB", (9, 9)), "PNG", pnginfo=text), LIMIT)


BOMBS = {
    "png_81_megapixels": black_png(9000, 9000),
    "png_196_megapixels": black_png(14_000, 14_000),
    "webp_256_megapixels": webp_claiming(16_000, 16_000),
    "webp_81_megapixels": webp_claiming(9000, 9000),
    "png_color_profile": encoded(Image.new("RGB", (9, 9)), "PNG", icc_profile=bytes(40_000_000)),
}
PROBE = """
import sys
from pathlib import Path
from core.errors import ImageRefused
from core.files.images import read_image

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

data = Path(sys.argv[1]).read_bytes()
read_image(Path(sys.argv[2]).read_bytes(), 25_000_000)
before = peak()
try:
    read_image(data, 25_000_000)
except ImageRefused:
    print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measured by Linux's /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_without_memory(name: str, tmp_path: Path) -> None:
    bomb, small = tmp_path / "bomb", tmp_path / "small"
    bomb.write_bytes(BOMBS[name])
    small.write_bytes(encoded(picture(20, 20), "PNG"))

    result = subprocess.run(
        [sys.executable, "-c", PROBE, str(bomb), str(small)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    grown_kib = int(result.stdout)
    assert grown_kib < 16 * 1024


def test_the_bomb_is_as_small_as_they_say() -> None:
    assert len(BOMBS["png_81_megapixels"]) == 9924


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        ((1280, 720), (320, 180)),
        ((720, 1280), (180, 320)),
        ((100, 40), (100, 40)),
        ((5000, 2), (320, 1)),
    ],
)
def test_a_thumbnail_is_a_small_webp(
    sides: tuple[int, int], expected: tuple[int, int], tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(encoded(picture(*sides), "PNG"))

    for given in (source, source.read_bytes()):
        thumbnail = Image.open(BytesIO(make_thumbnail(given)))
        assert (thumbnail.format, thumbnail.size) == ("WEBP", expected)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_thumbnail_keeps_grey_grey_and_glass_clear(mode: str) -> None:
    image = Image.new("RGBA", (64, 64), (128, 128, 128, 0)).convert(mode if mode != "I;16" else "L")
    if mode == "I;16":
        image = Image.new("I;16", (64, 64), 128 * 256)

    thumbnail = Image.open(BytesIO(make_thumbnail(encoded(image, "PNG"))))

    colour = thumbnail.convert("RGBA").getpixel((32, 32))
    assert isinstance(colour, tuple)
    assert colour[3] == (0 if mode in ("LA", "P", "RGBA") else 255)
    if mode in ("L", "RGB", "I;16"):
        assert all(abs(value - 128) <= 4 for value in colour[:3])


def test_a_printers_jpeg_gets_a_thumbnail_too() -> None:
    thumbnail = make_thumbnail(encoded(picture(400, 400).convert("CMYK"), "JPEG"))

    assert Image.open(BytesIO(thumbnail)).size == (320, 320)


def test_no_thumbnail_is_made_of_what_is_no_image() -> None:
    for data in (b"<svg/>", b"", encoded(picture(90, 90), "PNG")[:200]):
        with pytest.raises(ImageRefused):
            make_thumbnail(data)
