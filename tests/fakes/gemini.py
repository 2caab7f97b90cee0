"""The Gemini Developer API: interactions, `generateContent`, files and models.

Requests are those that google-genai 3.4.0 was captured sending; answers have the fields of its
types. Of how Omni answers, this is what others saw in 2026 (an id that is not known is a 400, a
refusal of the model is a completed interaction with text and no video); what is guessed says so.
"""

import base64
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from tests.fakes import faults, media
from tests.fakes.gemini_requests import (
    IMAGE_MODELS,
    VIDEO_MODELS,
    Fields,
    Refused,
    check_picture,
    check_video,
)
from tests.fakes.serve import Call, Fake, run

KEY = "AIza-fake-gemini-key"
HOST = "https://generativelanguage.googleapis.com"
TOKENS_PER_SECOND = 5792
TOKENS_PER_IMAGE = 1120
ROUTINE = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
_RPC = "type.googleapis.com/google.rpc"


@dataclass
class Interaction:
    """One accepted video."""

    operation: str
    call: Call
    seconds: float
    form: Fields
    ready_time: float
    status: str = "in_progress"
    file_id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])


class GeminiFake(Fake):
    """The server. `sent` keeps the bodies of paid calls; `answers` are given to the next questions
    about an interaction; `inline` makes it ignore `delivery`; a file is worked on for
    `file_seconds`."""

    name = "gemini"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sent: list[Fields] = []
        self.answers: list[Response] = []
        self.inline = False
        self.file_seconds = 0.0
        self._interactions: dict[str, Interaction] = {}

    def routes(self) -> list[BaseRoute]:
        """Of any version."""
        one = "/{version}/interactions/{operation}"
        return [
            Route("/{version}/interactions", self._create, methods=["POST"]),
            Route(f"{one}/cancel", self._cancel, methods=["POST"]),
            Route(one, self._get),
            Route("/{version}/models/{model}:generateContent", self._picture, methods=["POST"]),
            Route("/{version}/models", self._models),
            Route("/{version}/files/{file_id}:download", self._download),
            Route("/{version}/files/{file_id}", self._file),
        ]

    def error(self, status: int, code: str = "", headers: dict[str, str] | None = None) -> Response:
        """`{"error": {"code", "message", "status", "details"}}`."""
        details: list[Fields] = []
        if code == "quota":
            quota = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}
            details = [{"@type": f"{_RPC}.QuotaFailure", "violations": [quota]}]
        return _error(status, ROUTINE[status], details=details, headers=headers)

    def filtered(self, phase: str) -> Response:
        """Of an interaction. A guess."""
        return _error(400, "IMAGE_SAFETY" if phase == "input" else "PROHIBITED_CONTENT")

    async def _create(self, request: Request) -> Response:
        body = json.loads(await request.body())
        self.sent.append(body)
        if refusal := _check_key(request):
            return refusal
        try:
            seconds, form = check_video(body)
        except Refused as refused:
            return self.error(refused.status)
        call = _call(request, _said(body["input"]), body["model"])
        return await self.submit(
            call, lambda operation: self._accept(operation, call, seconds, form)
        )

    def _accept(self, operation: str, call: Call, seconds: float, form: Fields) -> Response:
        slow = self.faults.take(call.prompt, call.job, "slow")
        ready = time.monotonic() + (faults.SLOW_SECONDS if slow else self.operation_seconds)
        made = Interaction(operation, call, seconds, form, ready)
        self._interactions[operation] = made
        return JSONResponse(self._shown(made))

    async def _get(self, request: Request) -> Response:
        if refusal := _check_key(request):
            return refusal
        if self.answers:
            return self.answers.pop(0)
        made = self._interactions.get(request.path_params["operation"])
        prompt, who = (made.call.prompt, made.operation) if made else ("", "")
        if made is None or self.faults.take(prompt, who, "vanish"):
            return _error(400, "INVALID_ARGUMENT", message="Invalid interaction name: gone")
        if trouble := self.asked(prompt, who):
            return trouble
        self._advance(made)
        return JSONResponse(self._shown(made))

    async def _cancel(self, request: Request) -> Response:
        if refusal := _check_key(request):
            return refusal
        made = self._interactions.get(request.path_params["operation"])
        if made is None:
            return _error(400, "INVALID_ARGUMENT", message="Invalid interaction name: gone")
        self._advance(made)
        if made.status != "in_progress":
            # A guess.
            return _error(400, "INVALID_ARGUMENT", message="Interaction is already completed.")
        made.status = "cancelled"
        self.ledger.cancelled(made.operation)
        return JSONResponse(self._shown(made))

    def _advance(self, made: Interaction) -> None:
        due = made.status == "in_progress" and time.monotonic() >= made.ready_time
        if not due or self._says(made, "never-ends"):
            return
        made.status = "failed" if self._says(made, "fails") else "completed"
        if made.status == "completed" and self._says(made, "filtered-output"):
            made.file_id = ""

    def _says(self, made: Interaction, word: str) -> bool:
        return self.faults.take(made.call.prompt, made.operation, word) is not None

    def _shown(self, made: Interaction) -> Fields:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        shown: Fields = {
            "id": made.operation,
            "object": "interaction",
            "model": made.call.model,
            "status": made.status,
            "created": stamp,
            "updated": stamp,
            "steps": [],
        }
        if made.status == "completed":
            shown["steps"] = self._steps(made)
            shown["usage"] = _usage(made)
        if made.status == "failed":
            # A guess.
            shown["errors"] = [{"code": "internal", "message": "It went wrong."}]
        return shown

    def _steps(self, made: Interaction) -> list[Fields]:
        content: Fields = {"type": "video", "mime_type": "video/mp4"}
        if not made.file_id:
            content = {"type": "text", "text": "I can't make that video."}
        elif self.inline:
            content["data"] = base64.b64encode(_film(made)).decode()
        else:
            content["uri"] = f"{HOST}/v1beta/files/{made.file_id}:download?alt=media"
        said = {"type": "text", "text": made.call.prompt}
        return [
            {"type": "user_input", "content": [said]},
            {"type": "thought", "signature": "c2lnbmVk"},
            {"type": "model_output", "content": [content]},
        ]

    async def _file(self, request: Request) -> Response:
        made = self._owner(request)
        if made is None:
            return self.error(403)
        ready = time.monotonic() >= made.ready_time + self.file_seconds
        film = _film(made)
        return JSONResponse(
            {
                "name": f"files/{made.file_id}",
                "mimeType": "video/mp4",
                "sizeBytes": str(len(film)),
                "state": "ACTIVE" if ready else "PROCESSING",
                "source": "GENERATED",
                "downloadUri": f"{HOST}/v1beta/files/{made.file_id}:download?alt=media",
            }
        )

    async def _download(self, request: Request) -> Response:
        made = self._owner(request)
        if made is None or request.query_params.get("alt") != "media":
            return self.error(403)
        return await self.deliver(made.call.prompt, made.operation, _film(made), "video/mp4")

    def _owner(self, request: Request) -> Interaction | None:
        if _check_key(request):
            return None
        wanted = request.path_params["file_id"]
        return next((m for m in self._interactions.values() if m.file_id == wanted), None)

    async def _picture(self, request: Request) -> Response:
        body = json.loads(await request.body())
        self.sent.append(body)
        if refusal := _check_key(request):
            return refusal
        model = request.path_params["model"]
        try:
            width, height = check_picture(model, body)
        except Refused as refused:
            return self.error(refused.status)
        call = _call(request, _said(body["contents"][0]["parts"]), model)
        word = self.faults.take(call.prompt, call.job, "filtered-prompt", "filtered-input")
        if word:
            reason = "IMAGE_SAFETY" if word == "filtered-input" else "PROHIBITED_CONTENT"
            usage = {"promptTokenCount": 9, "totalTokenCount": 9}
            return JSONResponse({"promptFeedback": {"blockReason": reason}, "usageMetadata": usage})
        return await self.submit(call, lambda _: self._painted(call, width, height))

    async def _painted(self, call: Call, width: int, height: int) -> Response:
        slow = self.faults.take(call.prompt, call.job, "slow")
        await self.pause(faults.SLOW_SECONDS if slow else self.operation_seconds)
        if self.faults.take(call.prompt, call.job, "filtered-output"):
            # A guess: that no image tokens are counted for it.
            return JSONResponse(_answer(call, [], 0, "IMAGE_SAFETY"))
        word = self.faults.take(call.prompt, call.job, *faults.RESULT)
        if word == "big":
            return StreamingResponse(_endless(self.big_bytes), media_type="application/json")
        data = media.image("image/png", width, height)
        broken = {"truncated": data[: len(data) // 2], "wrong-type": media.NO_MEDIA}
        data = broken.get(word or "", data)
        draft = {"inlineData": _inline(media.image()), "thought": True}
        parts = [draft, {"text": "Here it is."}, {"inlineData": _inline(data)}]
        answer = _answer(call, parts, TOKENS_PER_IMAGE, "STOP")
        if word == "slow-download":
            drops: AsyncIterator[bytes] = self.drops(json.dumps(answer).encode())
            return StreamingResponse(drops, media_type="application/json")
        return JSONResponse(answer)

    async def _models(self, request: Request) -> Response:
        if refusal := _check_key(request):
            return refusal
        models = [{"name": f"models/{name}"} for name in sorted(VIDEO_MODELS | IMAGE_MODELS)]
        return JSONResponse({"models": models})


def _check_key(request: Request) -> Response | None:
    """A wrong key is a 400, with the reason in its details."""
    if request.headers.get("x-goog-api-key") == KEY:
        return None
    reason = {"@type": f"{_RPC}.ErrorInfo", "reason": "API_KEY_INVALID"}
    return _error(400, "INVALID_ARGUMENT", details=[reason])


def _said(parts: Any) -> str:
    """All text in what is given as input, in whatever shape."""
    if isinstance(parts, str):
        return parts
    if isinstance(parts, list):
        return " ".join(filter(None, map(_said, parts)))
    return str(parts.get("text", "")) or _said(parts.get("content", ""))


def _call(request: Request, prompt: str, model: str) -> Call:
    return Call(prompt, model, 1, request.headers.get("idempotency-key", ""))


def _film(made: Interaction) -> bytes:
    width, height = (36, 64) if made.form.get("aspect_ratio") == "9:16" else (64, 36)
    return media.video(int(made.seconds), width, height)


def _usage(made: Interaction) -> Fields:
    """The names are those of the SDK, and the tokens of a second Google's."""
    video = int(TOKENS_PER_SECOND * made.seconds) if made.file_id else 0
    return {
        "total_input_tokens": 12,
        "input_tokens_by_modality": [{"modality": "text", "tokens": 12}],
        "total_output_tokens": video,
        "output_tokens_by_modality": [{"modality": "video", "tokens": video}] if video else [],
        "total_thought_tokens": 100,
        "total_tokens": 112 + video,
    }


def _answer(call: Call, parts: list[Fields], tokens: int, finish: str) -> Fields:
    candidate: Fields = {"finishReason": finish, "index": 0}
    if parts:
        candidate["content"] = {"role": "model", "parts": parts}
    details = [{"modality": "IMAGE", "tokenCount": tokens}]
    usage = {
        "promptTokenCount": 9,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
        "candidatesTokenCount": tokens,
        "candidatesTokensDetails": details,
        "thoughtsTokenCount": 50,
        "totalTokenCount": 59 + tokens,
    }
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": call.model}


def _inline(data: bytes) -> Fields:
    return {"mimeType": "image/png", "data": base64.b64encode(data).decode()}


def _endless(size: int) -> Iterator[bytes]:
    yield b'{"candidates": [{"content": {"parts": [{"inlineData": {"data": "'
    for _ in range(size // media.CHUNK):
        yield b"A" * media.CHUNK
    yield b'"}}]}}]}'


def _error(
    status: int,
    name: str,
    *,
    message: str = "Something is wrong.",
    details: list[Fields] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    error = {"code": status, "message": message, "status": name, "details": details or []}
    return JSONResponse({"error": error}, status, headers)


if __name__ == "__main__":
    run(GeminiFake)
