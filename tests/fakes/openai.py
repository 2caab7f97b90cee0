"""OpenAI's Image API: `POST /images/generations` and `/images/edits`, `GET /models`.

Shapes are those of the types of the Python SDK 3.54 and of captured requests. Guesses, each marked
below: what is charged for a refused output, the wording and some codes of errors, token counts.
"""

import base64
import io
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, get_args

from openai.types import ImageModel
from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route

from tests.fakes import media
from tests.fakes.serve import Call, Fake, run

KEY = "sk-fake-openai-key"
RETIRED = {"gpt-image-1", "dall-e-2", "dall-e-3"}
MODELS = set(get_args(ImageModel)) - RETIRED
QUALITIES = {"low", "medium", "high", "auto"}
FORMATS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
MOST_OUTPUTS = 10
MOST_IMAGES = 16
MOST_PROMPT = 32_000
MOST_MASK_BYTES = 4 * 1024 * 1024
LONG_SECONDS = 3600.0
_SIZE = re.compile(r"(\d+)x(\d+)")
_GENERATE = {
    "model",
    "prompt",
    "n",
    "size",
    "quality",
    "output_format",
    "output_compression",
    "background",
    "moderation",
    "safety_identifier",
    "user",
    "stream",
    "partial_images",
}
_EDIT = _GENERATE | {"image", "mask", "input_fidelity"}
_PART_NAME = re.compile(rb'name="([^"]*)"')
Fields = dict[str, Any]


class Refused(Exception):
    """The request is wrong: `param` says where."""

    def __init__(self, param: str, code: str = "invalid_value", status: int = 400) -> None:
        super().__init__(param)
        self.param, self.code, self.status = param, code, status


class OpenAIFake(Fake):
    """The server; `sent` keeps the fields of every request, oldest first."""

    name = "openai"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sent: list[Fields] = []

    def routes(self) -> list[BaseRoute]:
        """With and without /v1."""
        routes = [
            Route("/images/generations", self._generate, methods=["POST"]),
            Route("/images/edits", self._edit, methods=["POST"]),
            Route("/models", self._models),
        ]
        return [Mount("/v1", routes=routes), *routes]

    def error(self, status: int, code: str = "", headers: dict[str, str] | None = None) -> Response:
        """`{"error": {"message", "type", "param", "code"}}`."""
        known = {
            "401": ("invalid_request_error", "invalid_api_key"),
            "quota": ("insufficient_quota", "insufficient_quota"),
            "429": ("requests", "rate_limit_exceeded"),
            "429-retry-after": ("requests", "rate_limit_exceeded"),
        }
        kind, name = known.get(code, ("server_error", None))
        return _error(status, kind, name, headers=headers)

    def filtered(self, phase: str) -> Response:
        """One stage for prompt and input images alike. `moderation_details` was seen in answers
        that others published; it is not in the SDK."""
        stage = "output" if phase == "output" else "input"
        details = {"moderation_stage": stage, "categories": ["violence"]}
        extra: dict[str, Any] = {"moderation_details": details}
        kind, code = "image_generation_user_error", "moderation_blocked"
        return _error(400, kind, code, message="Your request was rejected.", **extra)

    async def _generate(self, request: Request) -> Response:
        return await self._make(request, json.loads(await request.body()), _GENERATE)

    async def _edit(self, request: Request) -> Response:
        fields = _multipart(request.headers["content-type"], await request.body())
        return await self._make(request, fields, _EDIT)

    async def _make(self, request: Request, fields: Fields, known: set[str]) -> Response:
        self.sent.append(fields)
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return self.error(401, "401")
        try:
            _check(fields, known)
        except Refused as refused:
            kind = "invalid_request_error"
            return _error(refused.status, kind, refused.code, refused.param)
        outputs = int(fields.get("n", 1))
        key = request.headers.get("idempotency-key", "")
        call = Call(fields["prompt"], fields["model"], outputs, key)
        # A guess: what the filter finds in the finished image is not charged.
        if self.faults.take(call.prompt, call.job, "filtered-output"):
            return self.filtered("output")
        return await self.submit(call, lambda operation: self._answer(call, fields))

    async def _answer(self, call: Call, fields: Fields) -> Response:
        word = self.faults.take(call.prompt, call.job, "slow", "never-ends", "fails")
        pauses = {"slow": 10.0, "never-ends": LONG_SECONDS}
        await self.pause(pauses.get(word or "", self.operation_seconds))
        if word == "fails":
            return self.error(500, word)
        broken = ("truncated", "wrong-type", "big", "slow-download", "fewer")
        word = self.faults.take(call.prompt, call.job, *broken)
        if word == "big":
            return StreamingResponse(_endless(self.big_bytes), media_type="application/json")
        answer = _images(call, fields, word)
        if word == "slow-download":
            drops: AsyncIterator[bytes] = self.drops(json.dumps(answer).encode())
            return StreamingResponse(drops, media_type="application/json")
        return JSONResponse(answer)

    async def _models(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return self.error(401, "401")
        models = [
            {"id": name, "object": "model", "created": 1_760_000_000, "owned_by": "system"}
            for name in sorted(MODELS)
        ]
        return JSONResponse({"object": "list", "data": models})


def _images(call: Call, fields: Fields, word: str | None) -> Fields:
    size = fields.get("size", "1024x1024")
    width, height = (int(side) for side in _sides(size))
    image_format = fields.get("output_format", "png")
    data = media.image(FORMATS[image_format], width, height)
    data = {"truncated": data[: len(data) // 2], "wrong-type": media.NO_MEDIA}.get(word or "", data)
    count = call.outputs - 1 if word == "fewer" else call.outputs
    return {
        "created": int(time.time()),
        "background": "opaque",
        "data": [{"b64_json": base64.b64encode(data).decode()} for _ in range(count)],
        "output_format": image_format,
        "quality": fields.get("quality", "medium"),
        "size": size,
        "usage": _usage(call, fields),
    }


def _usage(call: Call, fields: Fields) -> Fields:
    """The counts are made up; their names are not."""
    text, images = len(call.prompt.split()), 100 * len(fields.get("image", []))
    made = 1000 * call.outputs
    return {
        "input_tokens": text + images,
        "input_tokens_details": {"text_tokens": text, "image_tokens": images},
        "output_tokens": made,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": made},
        "total_tokens": text + images + made,
    }


def _endless(size: int) -> Iterator[bytes]:
    yield b'{"created": 1, "data": [{"b64_json": "'
    for _ in range(size // media.CHUNK):
        yield b"A" * media.CHUNK
    yield b'"}]}'


def _check(fields: Fields, known: set[str]) -> None:
    if unknown := sorted(set(fields) - known):
        raise Refused(unknown[0], "unknown_parameter")
    if not fields.get("prompt") or len(fields["prompt"]) > MOST_PROMPT:
        raise Refused("prompt")
    if fields.get("model") not in MODELS:
        # A guess: it may as well be a 400.
        raise Refused("model", "model_not_found", 404)
    if not 1 <= int(fields.get("n", 1)) <= MOST_OUTPUTS:
        raise Refused("n")
    if fields.get("quality", "auto") not in QUALITIES:
        raise Refused("quality")
    if fields.get("output_format", "png") not in FORMATS:
        raise Refused("output_format")
    _sides(fields.get("size", "1024x1024"))
    if "image" in known:
        _check_images(fields)


def _sides(size: str) -> tuple[str, str]:
    """Any size whose sides are multiples of 16, at most 3:1, and no side above 3840."""
    found = _SIZE.fullmatch(size)
    sides = [int(side) for side in found.groups()] if found else [0]
    fits = all(side % 16 == 0 and 0 < side <= 3840 for side in sides)
    if not found or not fits or max(sides) > 3 * min(sides):
        raise Refused("size")
    return found[1], found[2]


def _check_images(fields: Fields) -> None:
    images = fields.get("image", [])
    if not 1 <= len(images) <= MOST_IMAGES:
        raise Refused("image")
    first = Image.open(io.BytesIO(images[0]))
    if "mask" not in fields:
        return
    mask = Image.open(io.BytesIO(fields["mask"]))
    wrong = mask.format != "PNG" or mask.size != first.size or "A" not in mask.getbands()
    if wrong or len(fields["mask"]) >= MOST_MASK_BYTES:
        raise Refused("mask", "invalid_image_format")


def _multipart(content_type: str, body: bytes) -> Fields:
    """The parts of a form by name; `image` and `image[]` are one list of files."""
    boundary = b"--" + content_type.partition("boundary=")[2].strip('"').encode()
    fields: Fields = {}
    for part in body.split(boundary)[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        found = _PART_NAME.search(head)
        assert found, "a part without a name"
        name, content = found[1].decode().removesuffix("[]"), content.removesuffix(b"\r\n")
        if name == "image":
            fields.setdefault("image", []).append(content)
        else:
            fields[name] = content if b"filename=" in head else content.decode()
    return fields


def _error(
    status: int,
    kind: str,
    code: str | None,
    param: str | None = None,
    *,
    message: str = "Something is wrong.",
    headers: dict[str, str] | None = None,
    **extra: Any,
) -> Response:
    error = {"message": message, "type": kind, "param": param, "code": code, **extra}
    return JSONResponse({"error": error}, status, headers)


if __name__ == "__main__":
    run(OpenAIFake)
