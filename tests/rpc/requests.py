"""Requests and pictures that several suites use."""

import os
import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.house import Caller


def video(prompt: str = "calm ocean waves", **options: Any) -> pb.GenerateVideoRequest:
    """A request for a video; `options` are those of the job."""
    return pb.GenerateVideoRequest(
        spec=job_pb2.VideoSpec(prompt=prompt), options=pb.JobOptions(**options)
    )


def image(prompt: str = "a paper boat", **fields: Any) -> pb.GenerateImageRequest:
    """A request for an image; `fields` are those of the spec."""
    return pb.GenerateImageRequest(spec=job_pb2.ImageSpec(prompt=prompt, **fields))


def png(width: int = 64, height: int = 36, colour: str = "teal") -> bytes:
    """A picture of one colour."""
    output = BytesIO()
    Image.new("RGB", (width, height), colour).save(output, "PNG")
    return output.getvalue()


def noisy(side: int = 1800) -> bytes:
    """A picture of some MiB."""
    output = BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(
        output, "PNG", compress_level=0
    )
    return output.getvalue()


def bomb(side: int = 10_000) -> bytes:
    """A whole black PNG of `side` squared pixels in a few kilobytes."""
    rows = (b"\0" * (1 + (side + 7) // 8)) * side
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    chunks = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


def store_picture(caller: Caller, colour: str = "teal") -> str:
    """The id of a new picture in the caller's library."""
    request = video()
    request.spec.first_frame.content = png(colour=colour)
    job = caller.call("GenerateVideo", request).job
    return str(job.video.first_frame.media_id)
