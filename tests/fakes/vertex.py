"""Vertex AI's Veo, with the token endpoint and the Cloud Storage that go with it.

`POST …/models/{model}:predictLongRunning` and `:fetchPredictOperation`, `POST /token` for the
service account in `credentials_file`, and `GET /storage/v1/b/{bucket}/o/{object}`. Requests are as
the SDK 3.4 sends them, answers as it parses them. What is quoted below of filters and errors was
seen in answers that others published. Guesses, each marked: which code an operation that broke has,
the details of errors, what an unknown operation is answered with.
"""

import base64
import functools
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from tests.fakes import faults, media
from tests.fakes.serve import Call, Cut, Fake, run

PROJECT, LOCATION = "fake-project", "us-central1"
MODELS = {"veo-3.1-generate-001", "veo-3.1-fast-generate-001"}
SIZES = {"16:9": (64, 36), "9:16": (36, 64)}
RESOLUTIONS = {"720p", "1080p", "4k"}
SECONDS, EXTENSION_SECONDS, REFERENCE_SECONDS = {4, 6, 8}, {7}, {8}
MOST_VIDEOS = 4
TOKEN_SECONDS = 3600
AUDIENCE = "https://oauth2.googleapis.com/token"
ACCOUNT = "rushes@fake-project.iam.gserviceaccount.com"
_INSTANCE = {"prompt", "image", "lastFrame", "video", "referenceImages"}
_PARAMETERS = {
    "sampleCount",
    "durationSeconds",
    "aspectRatio",
    "resolution",
    "negativePrompt",
    "seed",
    "generateAudio",
    "storageUri",
    "personGeneration",
    "enhancePrompt",
}
_LABEL = re.compile(r"[a-z0-9_-]{0,63}")
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
FILTERED_PROMPT = (
    "The prompt could not be submitted. This prompt contains words that violate Vertex AI's"
    " usage guidelines. Try rephrasing the prompt. Support codes: 29310472"
)
FILTERED_INPUT = (
    "Veo could not generate videos because the input image violates Vertex AI's usage guidelines."
    " If you think this was an error, send feedback. Support codes: 15236754"
)
FILTERED_OUTPUT = (
    "Veo could not generate {} videos based on the prompt provided. You will not be charged for"
    " this request. Try rephrasing the prompt. Support codes: 42237218"
)
Fields = dict[str, Any]


class Refused(Exception):
    """The request is wrong: `field` says where."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


@dataclass
class Operation:
    """One that was accepted; `fate` is the word that says what becomes of it."""

    name: str
    short: str
    call: Call
    ready: float
    size: tuple[int, int]
    folder: str
    fate: str | None = None
    told: bool = False


class VertexFake(Fake):
    """The server; `sent` keeps the body of every submit, oldest first.

    `token_status` is what the token endpoint answers with when it is no 200.
    """

    name = "vertex"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sent: list[Fields] = []
        self.token_status = 200
        ledger = options.get("ledger") or Path(*arguments, "ledger")
        # A service account's key.
        self.credentials_file = ledger.with_name("vertex-credentials.json")
        self._tokens: set[str] = set()
        self._operations: dict[str, Operation] = {}
        self._objects: dict[str, Operation] = {}

    def start(self) -> "VertexFake":
        """Starts to answer; the credentials are beside the ledger."""
        self.credentials_file.write_text(json.dumps(self._account()))
        return super().start()

    @property
    def secret(self) -> str:
        """A part of the private key that nothing may show."""
        return self._account()["private_key"].splitlines()[5]

    def routes(self) -> list[BaseRoute]:
        """Any version; the location is a part of the path alone."""
        model = (
            "/{version}/projects/{project}/locations/{location}/publishers/google/models/{model}"
        )
        return [
            Route(f"{model}:predictLongRunning", self._predict, methods=["POST"]),
            Route(f"{model}:fetchPredictOperation", self._ask, methods=["POST"]),
            Route("/token", self._token, methods=["POST"]),
            Route("/storage/v1/b/{bucket}/o/{name:path}", self._object),
        ]

    def error(self, status: int, code: str = "", headers: dict[str, str] | None = None) -> Response:
        """A google.rpc.Status. The ErrorInfo of a quota is a guess."""
        details = []
        if code == "quota":
            limit = "GenerateVideoRequestsPerDayPerProjectPerModel"
            metadata = {"service": "aiplatform.googleapis.com", "quota_limit": limit}
            details = [_info("RATE_LIMIT_EXCEEDED", metadata)]
        if code == "401":
            details = [_info("ACCESS_TOKEN_EXPIRED", {"service": "aiplatform.googleapis.com"})]
        return _error(status, "Something is wrong.", details, headers)

    def filtered(self, phase: str) -> Response:
        """400 before anything is accepted; an input was also seen to end its operation so."""
        return _error(400, FILTERED_INPUT if phase == "input" else FILTERED_PROMPT)

    def forget_tokens(self) -> None:
        """No token that was given out is good any more."""
        self._tokens.clear()

    async def _predict(self, request: Request) -> Response:
        body = json.loads(await request.body())
        self.sent.append(body)
        if not self._signed(request):
            return self.error(401, "401")
        where = request.path_params
        if where["project"] != PROJECT:
            return _error(403, "Permission denied on resource project.")
        if where["model"] not in MODELS:
            return _error(404, "Publisher Model was not found or your project has no access to it.")
        try:
            _check(body)
        except Refused as refused:
            violations = [{"field": refused.field, "description": "Invalid value."}]
            kind = {"@type": "type.googleapis.com/google.rpc.BadRequest"}
            return _error(400, "Invalid value.", [{**kind, "fieldViolations": violations}])
        instance, parameters = body["instances"][0], body.get("parameters") or {}
        key = request.headers.get("idempotency-key", "")
        outputs = int(parameters.get("sampleCount", 1))
        call = Call(instance.get("prompt", ""), where["model"], outputs, key)
        path = request.url.path.partition("/projects/")[2].partition(":")[0]
        return await self.submit(call, lambda name: self._accept(call, path, name, parameters))

    def _accept(self, call: Call, path: str, short: str, parameters: Fields) -> Response:
        fate = self.faults.take(call.prompt, call.job, *faults.WORK, "fewer")
        seconds = faults.SLOW_SECONDS if fate == "slow" else self.operation_seconds
        operation = Operation(
            name=f"projects/{path}/operations/{short}",
            short=short,
            call=call,
            ready=time.monotonic() + seconds,
            size=SIZES[parameters.get("aspectRatio", "16:9")],
            folder=parameters.get("storageUri", "").rstrip("/"),
            fate=fate,
        )
        self._operations[operation.name] = operation
        return JSONResponse({"name": operation.name})

    async def _ask(self, request: Request) -> Response:
        if not self._signed(request):
            return self.error(401, "401")
        operation = self._operations.get(json.loads(await request.body())["operationName"])
        if operation is None or operation.fate == "vanish":
            # A guess.
            return _error(404, "Operation not found")
        refused = self.asked(operation.call.prompt, operation.short)
        if refused is not None:
            return refused
        if operation.fate == "never-ends" or time.monotonic() < operation.ready:
            return JSONResponse({"name": operation.name})
        return await self._done(operation)

    async def _done(self, operation: Operation) -> Response:
        values: Fields = {"name": operation.name, "done": True}
        outputs = operation.call.outputs
        if operation.fate == "fails":
            # The code is a guess.
            error = {"code": 13, "message": "Internal error during video generation."}
            return JSONResponse({**values, "error": error})
        kind = "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse"
        response: Fields = {"@type": kind}
        left_out = {"filtered-output": outputs, "fewer": 1}.get(operation.fate or "", 0)
        if left_out:
            reasons = [FILTERED_OUTPUT.format(left_out)]
            response |= {"raiMediaFilteredCount": left_out, "raiMediaFilteredReasons": reasons}
        count = outputs - left_out
        if not count or operation.folder:
            return JSONResponse(
                {**values, "response": response | _stored(self._store(operation, count))}
            )
        return await self._inline(operation, {**values, "response": response}, count)

    def _store(self, operation: Operation, count: int) -> list[str]:
        names = [f"{operation.folder}/{operation.short}/sample_{n}.mp4" for n in range(count)]
        self._objects |= dict.fromkeys(names, operation)
        return names

    async def _inline(self, operation: Operation, values: Fields, count: int) -> Response:
        """All videos in the answer. What shall go wrong with a result does so from the second such
        answer on: a poll reads the first one only so far as to see that it is done."""
        word = None
        if operation.told:
            word = self.faults.take(operation.call.prompt, operation.short, *faults.RESULT)
        operation.told = True
        if word == "download-503":
            return self.error(503, word)
        if word == "big":
            return StreamingResponse(
                _big_answer(values, self.big_bytes), media_type="application/json"
            )
        film = media.NO_MEDIA if word == "wrong-type" else media.video(1, *operation.size)
        encoded = base64.b64encode(film).decode()
        video = {"bytesBase64Encoded": encoded, "mimeType": "video/mp4"}
        values["response"] |= {"videos": [video] * count}
        data = json.dumps(values, indent=2).encode()
        if word == "truncated":
            return Cut(data[: len(data) // 2], "application/json")
        if word == "slow-download":
            drops: AsyncIterator[bytes] = self.drops(data)
            return StreamingResponse(drops, media_type="application/json")
        return Response(data, media_type="application/json")

    async def _object(self, request: Request) -> Response:
        if not self._signed(request):
            return self.error(401, "401")
        where = request.path_params
        operation = self._objects.get(f"gs://{where['bucket']}/{where['name']}")
        if operation is None or request.query_params.get("alt") != "media":
            return _error(404, "No such object.")
        film = media.video(1, *operation.size)
        return await self.deliver(operation.call.prompt, operation.short, film, "video/mp4")

    async def _token(self, request: Request) -> Response:
        """RFC 7523: an assertion that the account signed, for a token."""
        if self.token_status != 200:
            name = "invalid_grant" if self.token_status == 400 else "internal_failure"
            return JSONResponse({"error": name}, self.token_status)
        form = dict(pair.split("=", 1) for pair in (await request.body()).decode().split("&"))
        try:
            # google-auth names Google's endpoint in it, whatever the one that it asks.
            claims = jwt.decode(
                form["assertion"], _key().public_key(), ["RS256"], audience=AUDIENCE
            )
        except jwt.InvalidTokenError:
            answer = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            return JSONResponse(answer, 400)
        assert claims["iss"] == ACCOUNT
        token = f"ya29.fake-{uuid.uuid4().hex}"
        self._tokens.add(token)
        answer = {"access_token": token, "expires_in": TOKEN_SECONDS, "token_type": "Bearer"}
        return JSONResponse(answer)

    def _signed(self, request: Request) -> bool:
        return request.headers.get("authorization", "").removeprefix("Bearer ") in self._tokens

    def _account(self) -> Fields:
        pem = _key().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "fake",
            "private_key": pem.decode(),
            "client_email": ACCOUNT,
            "client_id": "1",
            "token_uri": f"{self.url}/token",
        }


@functools.cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _check(body: Fields) -> None:
    """What the documentation of Veo 3.1 and of the SDK allow."""
    if set(body) - {"instances", "parameters", "labels"} or len(body.get("instances", ())) != 1:
        raise Refused("instances")
    instance, parameters = body["instances"][0], body.get("parameters") or {}
    if unknown := sorted(set(instance) - _INSTANCE):
        raise Refused(f"instances[0].{unknown[0]}")
    if unknown := sorted(set(parameters) - _PARAMETERS):
        raise Refused(f"parameters.{unknown[0]}")
    _check_inputs(instance)
    seconds = SECONDS
    if "video" in instance:
        seconds = EXTENSION_SECONDS
    elif "referenceImages" in instance:
        seconds = REFERENCE_SECONDS
    allowed: dict[str, tuple[Any, Any]] = {
        "durationSeconds": (seconds, 8),
        "sampleCount": (range(1, MOST_VIDEOS + 1), 1),
        "aspectRatio": (SIZES, "16:9"),
        "resolution": (RESOLUTIONS, "720p"),
        "seed": (range(2**32), 0),
        "generateAudio": ((True, False), None),
    }
    for name, (values, otherwise) in allowed.items():
        if parameters.get(name, otherwise) not in values:
            raise Refused(f"parameters.{name}")
    if not parameters.get("storageUri", "gs://").startswith("gs://"):
        raise Refused("parameters.storageUri")
    if not all(
        _LABEL.fullmatch(text) for pair in (body.get("labels") or {}).items() for text in pair
    ):
        raise Refused("labels")


def _check_inputs(instance: Fields) -> None:
    if not instance.get("prompt") and not {"image", "video"} & set(instance):
        raise Refused("instances[0].prompt")
    if "lastFrame" in instance and "image" not in instance:
        raise Refused("instances[0].lastFrame")
    references = instance.get("referenceImages", [])
    if len(references) > 3 or (references and {"image", "lastFrame", "video"} & set(instance)):
        raise Refused("instances[0].referenceImages")
    named = {name: instance[name] for name in ("image", "lastFrame", "video") if name in instance}
    for name, item in [*named.items(), *(("referenceImages", r["image"]) for r in references)]:
        kind = "video/" if name == "video" else "image/"
        data = base64.b64decode(item.get("bytesBase64Encoded", ""), validate=True)
        if not item.get("mimeType", "").startswith(kind) or not (data or "gcsUri" in item):
            raise Refused(f"instances[0].{name}")


def _stored(names: list[str]) -> Fields:
    videos = [{"gcsUri": name, "mimeType": "video/mp4"} for name in names]
    return {"videos": videos} if videos else {}


def _big_answer(values: Fields, size: int) -> Iterator[bytes]:
    head = json.dumps(values).encode()[:-2]
    yield head + b', "videos": [{"mimeType": "video/mp4", "bytesBase64Encoded": "'
    rest = b""
    for chunk in media.big_video(size):
        data = rest + chunk
        whole = len(data) // 3 * 3
        yield base64.b64encode(data[:whole])
        rest = data[whole:]
    yield base64.b64encode(rest) + b'"}]}}'


def _info(reason: str, metadata: dict[str, str]) -> Fields:
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    return {"@type": kind, "reason": reason, "domain": "googleapis.com", "metadata": metadata}


def _error(
    status: int,
    message: str,
    details: list[Fields] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    error = {"code": status, "message": message, "status": _STATUSES.get(status, "UNKNOWN")}
    if details:
        error["details"] = details
    return JSONResponse({"error": error}, status, headers)


if __name__ == "__main__":
    run(VertexFake)
