"""Images and videos given as input: by id of the library, or as bytes in the request."""

from core.ids import new_id
from rushes.v1 import job_pb2
from server.commands.requests import Inline
from server.validation.fields import check_id
from server.validation.problems import Problems


class InputReader:
    """Reads the inputs of one request; their bytes are counted together."""

    def __init__(self, problems: Problems, max_inline_bytes: int) -> None:
        self._problems = problems
        self._most = max_inline_bytes
        self._bytes = 0
        self.inline: list[Inline] = []
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
                self._problems.wrong(f"{field}.uri", "is not supported yet")
            case _:
                self._problems.wrong(field, "must have a media_id or content")
        return ""

    def _content(self, field: str, content: bytes) -> str:
        self._bytes += len(content)
        if not content:
            self._problems.wrong(field, "must not be empty")
        if self._bytes > self._most:
            self._problems.wrong(field, f"inline inputs may have {self._most} bytes together")
        inline = Inline(field, new_id(), content)
        self.inline.append(inline)
        return inline.media_id
