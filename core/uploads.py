"""Uploads that are not finished: which bytes of a file are kept already, and where.

The bytes come one after another. Whoever receives them holds the upload by its fence, which rises
with each receiver, and names the blobs that it writes after it. So a receiver that was frozen and
wakes changes nothing that another has kept since.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A blob with the next `size` bytes of an upload. More may follow in the blob: they don't
    count."""

    key: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An upload as the database knows it. Times in milliseconds; `sha256` is hex, or empty."""

    media_id: str
    user_id: str
    size_bytes: int
    sha256: str
    parts: tuple[Part, ...]
    fence: int
    released: bool
    expire_time: int

    @property
    def offset(self) -> int:
        """How many bytes are kept."""
        return total(self.parts)

    @property
    def whole(self) -> bool:
        """Whether all bytes are kept."""
        return self.offset == self.size_bytes

    @property
    def name(self) -> str:
        """What the blobs of this receiver are named after."""
        return f"{self.media_id}.{self.fence}"


def total(parts: Sequence[Part]) -> int:
    """The bytes of all parts."""
    return sum(part.size for part in parts)
