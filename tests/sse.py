"""Server-sent events as a browser reads them, from any source of lines."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Message:
    """One message. `last_id` is what a browser would send when it connects again after it."""

    name: str
    last_id: str
    data: str

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def events(self) -> list[Any]:
        """The events of the part of a response that it holds."""
        return list(self.json.get("events", []))


@dataclass
class Parser:
    """Takes lines. It keeps what a browser keeps between messages."""

    last_id: str = ""
    retry: int | None = None
    comments: list[str] = field(default_factory=list)
    _name: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, line: bytes) -> Message | None:
        """The message that the line ends; None while there is none."""
        text = line.decode().rstrip("\r\n")
        if not text:
            return self._dispatch()
        if text.startswith(":"):
            self.comments.append(text[1:].strip())
            return None
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
            case "id":
                self.last_id = value
            case "retry":
                self.retry = int(value)
        return None

    def _dispatch(self) -> Message | None:
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        return Message(name, self.last_id, "\n".join(data)) if data else None


def messages(lines: Iterable[bytes]) -> Iterator[Message]:
    """The messages, each as soon as its blank line is there."""
    parser = Parser()
    for line in lines:
        if message := parser.feed(line):
            yield message
