"""Images and videos given as input: by id of the library, as bytes in the request, by address."""

from collections.abc import Collection, Iterable, Iterator

from google.protobuf.message import Message

from core.errors import field_invalid
from core.fetching import parse_address
from core.ids import new_id
from rushes.v1 import job_pb2
from server.commands.requests import Inline, Remote
from server.validation.fields import check_id
from server.validation.problems import Problems

_MIB = 1024 * 1024
_INPUT = job_pb2.MediaInput.DESCRIPTOR


def forget_bytes(spec: Message, path: str, most: int) -> None:
    """Cuts the inline bytes of a spec down to one each, for who needs only to know of them.

    Raises:
        FieldInvalid: when they are more than `most` together, naming the field that is too much.
    """
    total = 0
    for field, item in _contents(spec, path):
        content = item.content
        total += len(content)
        if total > most:
            raise field_invalid(field, _too_much(most))
        item.content = content[:1]


def refuse_bytes(specs: Iterable[tuple[str, Message]], most: int) -> None:
    """Refuses specs, each given with its path, of which the inline bytes are too many together.

    Raises:
        FieldInvalid: when they are more than `most`, naming the field that is too much.
    """
    total = 0
    for field, item in (one for path, spec in specs for one in _contents(spec, path)):
        total += len(item.content)
        if total > most:
            raise field_invalid(field, _too_much(most))


def check_named(problems: Problems, spec: Message, path: str) -> None:
    """The ids of the inputs of a spec, before anything else of it is looked at."""
    for field, item in _inputs(spec, path):
        if item.WhichOneof("source") == "media_id":
            check_id(problems, f"{field}.media_id", item.media_id)


def _contents(spec: Message, path: str) -> Iterator[tuple[str, job_pb2.MediaInput]]:
    """The inputs of a spec that are inline bytes, each with the path of its bytes."""
    for field, item in _inputs(spec, path):
        if item.WhichOneof("source") == "content":
            yield f"{field}.content", item


def _inputs(spec: Message, path: str) -> Iterator[tuple[str, job_pb2.MediaInput]]:
    """The inputs of a spec, each with its path."""
    for field in (one for one in spec.DESCRIPTOR.fields if one.message_type is _INPUT):
        value = getattr(spec, field.name)
        items = value if field.is_repeated else [value] if spec.HasField(field.name) else []
        for number, item in enumerate(items):
            place = f"{field.name}[{number}]" if field.is_repeated else field.name
            yield f"{path}.{place}", item


class InputReader:
    """Reads the inputs of one request, whose inline bytes have one limit together."""

    def __init__(
        self, problems: Problems, max_inline_bytes: int, uri_hosts: Collection[str]
    ) -> None:
        self._problems = problems
        self._most = max_inline_bytes
        self._hosts = uri_hosts
        self._bytes = 0
        self.inline: list[Inline] = []
        self.remote: list[Remote] = []
        self.given: list[tuple[str, str]] = []

    def read(self, field: str, item: job_pb2.MediaInput) -> str:
        """The media id of the input, a new one for bytes."""
        match item.WhichOneof("source"):
            case "media_id":
                media_id = check_id(self._problems, f"{field}.media_id", item.media_id)
                self.given.append((f"{field}.media_id", media_id))
                return media_id
            case "content":
                return self._content(f"{field}.content", item.content)
            case "uri":
                return self._remote(f"{field}.uri", item.uri)
            case _:
                self._problems.wrong(field, "must have a media_id, content or a uri")
        return ""

    def _remote(self, field: str, uri: str) -> str:
        if not self._hosts:
            text = "addresses are off here (RUSHES_INPUT_URI_HOSTS); send content or a media_id"
            self._problems.wrong(field, text)
            return ""
        try:
            address = parse_address(uri)
        except ValueError as error:
            self._problems.wrong(field, str(error))
            return ""
        if address.host not in self._hosts:
            text = "names a host that the operator does not allow (RUSHES_INPUT_URI_HOSTS)"
            self._problems.wrong(field, text)
        remote = Remote(field, new_id(), address)
        self.remote.append(remote)
        return remote.media_id

    def _content(self, field: str, content: bytes) -> str:
        self._bytes += len(content)
        if not content:
            self._problems.wrong(field, "must not be empty")
        if self._bytes > self._most:
            self._problems.wrong(field, _too_much(self._most))
        inline = Inline(field, new_id(), content)
        self.inline.append(inline)
        return inline.media_id


def _too_much(most: int) -> str:
    return f"inline inputs are limited to {_size(most)} in total"


def _size(count: int) -> str:
    """For people: "2 MiB", or bytes where it is not a whole number of those."""
    whole, rest = divmod(count, _MIB)
    return f"{count} bytes" if rest else f"{whole} MiB"
