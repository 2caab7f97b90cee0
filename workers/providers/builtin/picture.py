"""Given pictures: opened, fitted to a size, and written in the format asked for."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from workers.providers.builtin.finish import U8
from workers.providers.builtin.noise import F32, f32

_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}


def opened(content: bytes) -> Image.Image:
    """The picture in these bytes, upright, red green blue; what was clear lies on white.

    Raises ValueError when the bytes are no picture.
    """
    try:
        picture = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
            picture = picture.convert("RGBA")
            paper = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(paper, picture)
        return picture.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as broken:
        raise ValueError("not a picture that can be read") from broken


def fitted(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The picture scaled to cover (width, height), its middle kept."""
    return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)


def mask_of(content: bytes, width: int, height: int) -> F32:
    """The mask as (height, width) of 0 (keep) .. 1 (paint), fitted as the picture is.

    Raises ValueError when the bytes are no picture.
    """
    gray = fitted(opened(content), width, height).convert("L")
    return f32(gray) / np.float32(255)


def planes(picture: Image.Image) -> F32:
    """The picture as a canvas: (3, height, width) of 0..1."""
    return f32(np.asarray(picture).transpose(2, 0, 1)) / np.float32(255)


def pixels(light: F32) -> Image.Image:
    """Light of 0..255, (3, height, width), as a picture."""
    rows: U8 = np.ascontiguousarray(light.transpose(1, 2, 0).astype(np.uint8))
    return Image.fromarray(rows)


def save(picture: Image.Image, path: Path, mime_type: str) -> None:
    """Writes the picture; raises ValueError for a type other than PNG, JPEG or WebP."""
    if mime_type not in _FORMATS:
        raise ValueError(f"no such picture type: {mime_type!r}")
    if mime_type == "image/png":
        picture.save(path, "PNG", compress_level=4)
    else:
        picture.save(path, _FORMATS[mime_type], quality=92)
