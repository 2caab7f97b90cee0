"""What reads strangers' bytes in Python, each as a function of bytes that must not raise.

`test_parsers.py` and `fuzz.py` run them. What a parser may raise is its own word for "refused"; all
else is a bug. Each also says what must be true of what it takes.
"""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.blobs import AddressSigner, Variant
from core.blobs.keys import checked, content_key, media_id_of, thumbnail_key
from core.errors import (
    CredentialsExpired,
    CredentialsInvalid,
    ImageRefused,
    PageTokenInvalid,
    ResumeTokenInvalid,
)
from core.files.content_credentials import has_content_credentials
from core.files.images import read_image
from core.files.sniff import sniff_mime_type
from core.tokens import ResumePoint, Tokens
from server.http.ranges import Unsatisfiable, parse_range, range_applies
from workers.providers.http.transport import MOST_PAUSE_SECONDS, is_public, retry_after_ms

KEY = b"k" * 32
NOW_S, SIZE, MOST_PIXELS = 1_800_000_000.0, 1000, 4_000_000
TOKENS, SIGNER = Tokens(KEY), AddressSigner("http://localhost", KEY)
POINT = ResumePoint("epoch", 7)
RESUME = TOKENS.resume("alice", POINT)
PAGE = TOKENS.page("alice", "jobs", [1, "a"], int(NOW_S) * 1000)
ADDRESS = SIGNER.url("item", Variant.CONTENT, int(NOW_S) + 60)
SIGNATURE = ADDRESS.rpartition("=")[2]


def text_of(data: bytes) -> str:
    """Any text, also one that can't be written as UTF-8."""
    return data.decode("utf-8", "surrogatepass" if data[:1] == b"\xed" else "replace")


def resume_token(data: bytes) -> None:
    """Alice's one token is hers alone; all else is refused."""
    with contextlib.suppress(UnicodeDecodeError):
        token = text_of(data)
        for user in ("alice", "bob"):
            with contextlib.suppress(ResumeTokenInvalid):
                assert TOKENS.read_resume(user, token) == POINT
                assert (user, token) == ("alice", RESUME)


def page_token(data: bytes) -> None:
    """The same of the token of a page."""
    with contextlib.suppress(UnicodeDecodeError):
        token = text_of(data)
        for listing in ("jobs", "media"):
            with contextlib.suppress(PageTokenInvalid):
                assert TOKENS.read_page("alice", listing, token, int(NOW_S) * 1000) == [1, "a"]
                assert (listing, token) == ("jobs", PAGE)


def signed_address(data: bytes) -> None:
    """Item, variant, end and signature, one a line: one such address is good, no other one is."""
    with contextlib.suppress(UnicodeDecodeError):
        parts = [*text_of(data).split("\n"), "", "", "", ""][:4]
        media_id, variant, expire, signature = parts
        some = Variant.CONTENT if variant == "content" else Variant.THUMBNAIL
        with contextlib.suppress(CredentialsInvalid, CredentialsExpired):
            SIGNER.verify(media_id, some, expire, signature, NOW_S)
            assert parts == ["item", "content", str(int(NOW_S) + 60), SIGNATURE]


def image_header(data: bytes) -> None:
    """Bytes are an image that can be shown, or refused."""
    sniff_mime_type(data)
    with contextlib.suppress(ImageRefused):
        info, thumbnail = read_image(data, MOST_PIXELS)
        assert 0 < info.width * info.height <= MOST_PIXELS
        assert sniff_mime_type(thumbnail) == "image/webp"


def content_credentials(data: bytes) -> None:
    """Any file has some or none."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        assert has_content_credentials(Path(file.name)) in (True, False)


def storage_key(data: bytes) -> None:
    """What passes names a file below the folder, and an item's keys lead back to the item."""
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(ValueError):
        key = checked(text)
        folder = Path("/blobs")
        assert folder in (folder / key).parents
        assert ".." not in (folder / key).parts
        assert key.isascii()
        assert key.isprintable()
        if found := media_id_of(key):
            assert key in (content_key(found), thumbnail_key(found))


def byte_range(data: bytes) -> None:
    """Every range lies within the bytes."""
    header = data.decode("latin-1")
    range_applies(header, '"tag"')
    with contextlib.suppress(Unsatisfiable):
        if span := parse_range(header, SIZE):
            assert 0 <= span.start < span.end <= SIZE


def retry_after(data: bytes) -> None:
    """A pause of a provider is within a day, or none."""
    header = data.decode("latin-1")
    for name in ("retry-after", "retry-after-ms"):
        pause = retry_after_ms({name: header})
        assert pause is None or 0 <= pause <= MOST_PAUSE_SECONDS * 1000


# The first two bytes of an address in our own network.
OWN = [(127, 0), (10, 1), (172, 16), (192, 168), (169, 254), (100, 64), (0, 0)]
SPELLINGS: list[Callable[[list[int], int], str]] = [
    lambda part, _: ".".join(map(str, part)),
    lambda part, _: ".".join(map(hex, part)),
    lambda part, _: ".".join(f"0{one:o}" for one in part),
    lambda _, number: str(number),
    lambda _, number: hex(number),
    lambda part, number: f"{part[0]}.{number & 0xFFFFFF}",
    lambda part, number: f"{part[0]}.{part[1]}.{number & 0xFFFF}",
    lambda part, _: "::ffff:" + ".".join(map(str, part)),
    lambda _, number: f"::ffff:{number >> 16:x}:{number & 0xFFFF:x}",
    lambda _, number: f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}",
    lambda _, number: f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1",
    lambda _, number: f"fd00::{number >> 16:x}:{number & 0xFFFF:x}",
    lambda _, number: f"fe80::{number & 0xFFFF:x}",
]


def address_guard(data: bytes) -> None:
    """No spelling of an address in our own network is public."""
    first, second, third, fourth, spelling = (data + bytes(5))[:5]
    part = [*OWN[first % len(OWN)], third, fourth]
    part[1] = part[1] if part[0] != 127 else second
    host = SPELLINGS[spelling % len(SPELLINGS)](part, int.from_bytes(bytes(part)))
    assert not is_public(host), host


PARSERS: dict[str, Callable[[bytes], Any]] = {
    one.__name__: one
    for one in (
        resume_token,
        page_token,
        signed_address,
        image_header,
        content_credentials,
        storage_key,
        byte_range,
        retry_after,
        address_guard,
    )
}
CORPUS = Path(__file__).parent / "corpus"


def seeds(name: str) -> list[bytes]:
    """Inputs that are kept: good ones, and those that once failed."""
    folder = CORPUS / name
    return [path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()]
