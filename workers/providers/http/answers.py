"""Reads the answer of an operation piece by piece, so that no inline result is held in memory."""

import binascii
import json
import re
from collections.abc import Callable
from typing import Any, BinaryIO

from core.errors import RushesError

_MOST_KEPT_BYTES = 1024**2
_KEY_BYTES = 64
_EDGE = re.compile(rb'["\\]')
_STANDARD = bytes.maketrans(b"-_", b"+/")
_ESCAPED = {b"/": b"/", b"n": b"", b"r": b""}

Take = Callable[[int, bytes], None]


class AnswerUnreadable(RushesError):
    """The answer is not the JSON that the API promises."""


class ResultDamaged(RushesError):
    """The inline result is not base64."""


class ResultTooLarge(RushesError):
    """The inline result is larger than the limit."""


class AnswerReader:
    """Keeps the answer, but for the base64 data in the fields `name`.

    A number takes the place of each field's data, from 0 on; an empty field has a number too and
    stays empty. `take` gets the data piece by piece, each piece with the number of its field.
    """

    def __init__(self, name: str, take: Take = lambda number, piece: None) -> None:
        self.size = 0
        self._field = re.compile(rb'"%s"\s*:\s*"$' % name.encode())
        self._take = take
        self._kept = bytearray()
        self._number = -1
        self._in_string = False
        self._in_data = False
        self._is_empty = True
        self._escape = b""

    @property
    def inline(self) -> bool:
        """Whether an inline result has begun: then the operation is done."""
        return self._number >= 0

    def whole(self, number: int) -> bool:
        """Whether all of that inline result was read."""
        return self._number > number or (self._number == number and not self._in_data)

    def says(self, words: re.Pattern[bytes]) -> bool:
        """Whether the kept part of the answer has these words in it."""
        return words.search(self._kept) is not None

    def feed(self, chunk: bytes) -> None:
        """Reads the next piece.

        Raises:
            AnswerUnreadable: when the kept part is longer than an answer without results can be.
        """
        self.size += len(chunk)
        at = 0
        while at < len(chunk):
            at = self._in(chunk, at) if self._in_string else self._between(chunk, at)

    def close(self) -> dict[str, Any]:
        """The answer, with the numbers of its inline results.

        Raises:
            AnswerUnreadable: when it is not whole.
        """
        try:
            values = json.loads(self._kept)
        except (ValueError, RecursionError):
            raise AnswerUnreadable from None
        if not isinstance(values, dict):
            raise AnswerUnreadable
        return values

    def _between(self, chunk: bytes, at: int) -> int:
        """Reads outside of strings, up to the next string."""
        end = chunk.find(b'"', at) + 1 or len(chunk)
        self._keep(chunk[at:end])
        if chunk[end - 1 : end] == b'"':
            self._in_string = True
            self._in_data = self._field.search(self._kept[-_KEY_BYTES:]) is not None
            self._is_empty = True
            self._number += self._in_data
        return end

    def _in(self, chunk: bytes, at: int) -> int:
        """Reads inside of a string, up to its end or to a character that needs a look."""
        if self._escape:
            return self._in_escape(chunk, at)
        edge = _EDGE.search(chunk, at)
        end = edge.start() if edge else len(chunk)
        if end > at:
            self._pass(chunk[at:end])
        if edge is None:
            return end
        if edge[0] == b"\\":
            self._escape = b"\\"
        else:
            self._keep(b'"')
            self._in_string = self._in_data = False
        return end + 1

    def _in_escape(self, chunk: bytes, at: int) -> int:
        self._escape += chunk[at : at + 1]
        if len(self._escape) == (6 if self._escape[1:2] == b"u" else 2):
            escape, self._escape = self._escape, b""
            self._pass(_unescaped(escape) if self._in_data else escape)
        return at + 1

    def _pass(self, piece: bytes) -> None:
        if not self._in_data:
            self._keep(piece)
            return
        if self._is_empty:
            self._is_empty = False
            self._keep(str(self._number).encode())
        self._take(self._number, piece)

    def _keep(self, piece: bytes) -> None:
        if len(self._kept) + len(piece) > _MOST_KEPT_BYTES:
            raise AnswerUnreadable
        self._kept += piece


class Base64File:
    """Decodes the inline result `number` into a file, whichever alphabet of base64 it has.
    `AnswerReader` calls `take`.

    Raises:
        ResultDamaged, ResultTooLarge: by `take` and `close`.
    """

    def __init__(self, number: int, file: BinaryIO, most_bytes: int) -> None:
        self._number = number
        self._file = file
        self._left = most_bytes
        self._rest = b""

    def take(self, number: int, piece: bytes) -> None:
        """Decodes a piece. It ignores the pieces of other results."""
        if number != self._number:
            return
        piece = self._rest + piece.translate(_STANDARD)
        whole = len(piece) // 4 * 4
        self._rest = piece[whole:]
        try:
            data = binascii.a2b_base64(piece[:whole], strict_mode=True)
        except binascii.Error:
            raise ResultDamaged from None
        self._left -= len(data)
        if self._left < 0:
            raise ResultTooLarge
        self._file.write(data)

    def close(self) -> None:
        """Checks that all of the result was base64."""
        if self._rest:
            raise ResultDamaged


def _unescaped(escape: bytes) -> bytes:
    """The character of an escape in base64: Google's answers escape "/" and "="."""
    try:
        return _ESCAPED[escape[1:]] if len(escape) == 2 else chr(int(escape[2:], 16)).encode()
    except (KeyError, ValueError):
        raise AnswerUnreadable from None
