"""Images that nobody here made: probing them and making their thumbnails.

A PNG of 9,924 bytes can claim 81 million pixels, and Pillow says nothing. So the code judges the
size in the header before it decodes. Strangers' images come here through `core.decoding` alone.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import ExifTags, Image, ImageOps, PngImagePlugin

from core.errors import ImageRefused
from core.files.sniff import HEAD_BYTES, sniff_mime_type

THUMBNAIL_PIXELS = 320
THUMBNAIL_TYPE = "image/webp"
_THUMBNAIL_QUALITY = 80
_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
_SIDEWAYS = range(5, 9)  # EXIF orientations that swap width and height

warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
PngImagePlugin.MAX_TEXT_MEMORY = 4 * PngImagePlugin.MAX_TEXT_CHUNK


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """What an image is. Its sides are in pixels as it is shown, so after its EXIF orientation."""

    mime_type: str
    width: int
    height: int


def read_image(
    source: bytes | Path, max_pixels: int, shrink_to: int = 0
) -> tuple[ImageInfo, bytes]:
    """What the image is, and its thumbnail; all of it was decoded to find out.

    With `shrink_to`, what comes instead of the thumbnail is the image itself as a PNG, with at most
    so many pixels on its longer side.

    Raises:
        ImageRefused: when it is no still PNG, JPEG or WebP, is too large, or is damaged.
    """
    with _refusing(), _opened(source) as (image, mime_type):
        if image.width * image.height > max_pixels:
            raise ImageRefused(
                f"it has {image.width}x{image.height} pixels, more than {max_pixels:,} in all"
            )
        # A JPEG may carry a second picture (a depth map, a preview): only the first one counts.
        if mime_type != "image/jpeg" and getattr(image, "n_frames", 1) > 1:
            raise ImageRefused("it is animated")
        sides = image.size
        if shrink_to:
            image.draft(None, (shrink_to, shrink_to))  # a JPEG is decoded smaller at once
        image.load()
        if image.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS:
            sides = sides[::-1]
        info = ImageInfo(mime_type=mime_type, width=sides[0], height=sides[1])
        return info, _encode_shrunk(image, shrink_to) if shrink_to else encode_thumbnail(image)


def encode_thumbnail(image: Image.Image, longest: int = THUMBNAIL_PIXELS) -> bytes:
    """A WebP picture of an image, `longest` pixels or fewer on its longer side, never enlarged.
    Changes `image`."""
    output = BytesIO()
    _upright(image, longest).save(
        output, "WEBP", quality=_THUMBNAIL_QUALITY, exif=b"", xmp=b"", icc_profile=b""
    )
    return output.getvalue()


def _encode_shrunk(image: Image.Image, longest: int) -> bytes:
    output = BytesIO()
    _upright(image, longest).save(output, "PNG", compress_level=1)
    return output.getvalue()


def _upright(image: Image.Image, longest: int) -> Image.Image:
    """The image as it is shown, red green blue, shrunk to `longest`. Changes `image`."""
    image.thumbnail((longest, longest))
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):  # convert() would cut every value above 255 to white
        upright = upright.point(lambda value: value * (1 / 256)).convert("L")
    return upright.convert("RGBA" if upright.has_transparency_data else "RGB")


@contextmanager
def _opened(source: bytes | Path) -> Iterator[tuple[Image.Image, str]]:
    """The image, with only its header read, and the type that its first bytes show."""
    with BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        mime_type = sniff_mime_type(file.read(HEAD_BYTES)) or ""
        if mime_type not in _FORMATS:
            raise ImageRefused("it is not a PNG, JPEG or WebP image")
        file.seek(0)
        with Image.open(file, formats=[_FORMATS[mime_type]]) as image:
            yield image, mime_type


@contextmanager
def _refusing() -> Iterator[None]:
    """Turns whatever the bytes make Pillow's decoders raise into ImageRefused."""
    try:
        yield
    except ImageRefused:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise ImageRefused("it has too many pixels") from None
    except MemoryError:
        raise ImageRefused("it takes too much memory to decode") from None
    except Exception as error:
        raise ImageRefused("it is damaged or not whole") from error
