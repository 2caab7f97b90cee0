"""Signed addresses and what is behind them: forgeries, tricks with paths, ranges and headers."""

import base64
import hashlib
import hmac
import json
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from core.blobs import AddressSigner, Variant
from core.blobs.keys import is_key
from core.ids import new_id
from tests.e2e.running import Running
from tests.unit.server.http.conftest import CONTENT, SIGNING_KEY, THUMBNAIL, Answer, Site
from tests.unit.server.http.conftest import site as site

SECRET = b"a secret that lies beside the blobs"


def part(target: str, name: str) -> str:
    """The value of one parameter."""
    found = re.search(rf"[?&]{name}=([^&]*)", target)
    assert found
    return found[1]


def with_part(target: str, name: str, value: str) -> str:
    return target.replace(f"{name}={part(target, name)}", f"{name}={value}")


def signature(change: Callable[[str], str]) -> Callable[[Site], str]:
    """A good address with another signature."""
    return lambda site: with_part(
        site.target(), "signature", change(part(site.target(), "signature"))
    )


def expiry(change: Callable[[int], str]) -> Callable[[Site], str]:
    """A good address with another end."""
    return lambda site: with_part(
        site.target(), "expire_time", change(int(part(site.target(), "expire_time")))
    )


def path(change: Callable[[str], str]) -> Callable[[Site], str]:
    """A good query behind another path; `change` gets the id."""
    return lambda site: f"{change(site.media.media_id)}?{site.target().partition('?')[2]}"


def forged(key: bytes, digest: Any = hashlib.sha256) -> Callable[[Site], str]:
    """An address that was signed by somebody who guesses how."""

    def made(site: Site) -> str:
        end = int(time.time()) + 600
        text = f"{site.media.media_id}\ncontent\n{end}".encode()
        signed = base64.urlsafe_b64encode(hmac.digest(key, text, digest)).rstrip(b"=").decode()
        return f"/media/{site.media.media_id}/content?expire_time={end}&signature={signed}"

    return made


def of_another_key(site: Site) -> str:
    other = AddressSigner("http://x", b"o" * 32)
    url = other.url(site.media.media_id, Variant.CONTENT, int(time.time()) + 600)
    return url.removeprefix("http://x")


LAST = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
CHANGED: dict[str, Callable[[Site], str]] = {
    "a signature in capitals": signature(str.upper),
    "a signature in small letters": signature(str.lower),
    "a signature backwards": signature(lambda good: good[::-1]),
    "no signature": signature(lambda _: ""),
    "half a signature": signature(lambda good: good[:20]),
    "a letter less": signature(lambda good: good[:-1]),
    "a letter more": signature(lambda good: good + "A"),
    "a padded signature": signature(lambda good: good + "="),
    "other spare bits": signature(lambda good: good[:-1] + LAST[LAST.index(good[-1]) ^ 1]),
    "a signature in hex": signature(lambda good: base64.urlsafe_b64decode(good + "=").hex()),
    "zeros": signature(lambda _: "A" * 43),
    "a break behind": signature(lambda good: good + "%0a"),
    "NUL behind": signature(lambda good: good + "%00"),
    "a space before": signature(lambda good: "%20" + good),
    "bytes that are no text": signature(lambda _: "%ff%fe"),
    "a surrogate": signature(lambda _: "%ed%a0%80"),
    "a long signature": signature(lambda good: good * 500),
    "signed twice, the last is wrong": lambda site: site.target() + "&signature=x",
    "ended twice": lambda site: site.target() + "&expire_time=9999999999",
    "a list": lambda site: site.target().replace("signature=", "signature[]="),
    "other names": lambda site: site.target().replace("signature=", "Signature="),
    "semicolons": lambda site: site.target().replace("&", ";"),
    "no query": lambda site: site.target().partition("?")[0],
    "a second later": expiry(lambda end: str(end + 1)),
    "a second earlier": expiry(lambda end: str(end - 1)),
    "a zero before": expiry(lambda end: f"0{end}"),
    "a plus": expiry(lambda end: f"%2b{end}"),
    "a space": expiry(lambda end: f"%20{end}"),
    "a fraction": expiry(lambda end: f"{end}.0"),
    "an exponent": expiry(lambda _: "1e12"),
    "a minus": expiry(lambda end: f"-{end}"),
    "hexadecimal": expiry(lambda end: hex(end)),
    "other digits": expiry(lambda end: quote("".join(chr(0x660 + int(d)) for d in str(end)))),
    "a long number": expiry(lambda _: "9" * 4000),
    "no end": expiry(lambda _: ""),
    "the other variant": lambda site: site.target().replace("/content?", "/thumbnail?"),
    "of the other variant": lambda site: site.target(Variant.THUMBNAIL).replace(
        "/thumbnail?", "/content?"
    ),
    "another item": lambda site: site.target().replace(site.media.media_id, new_id()),
    "an item in capitals": lambda site: site.target().replace(
        site.media.media_id, site.media.media_id.upper()
    ),
    "an item without its lines": lambda site: site.target().replace(
        site.media.media_id, site.media.media_id.replace("-", "")
    ),
    "an item in braces": path(lambda one: f"/media/%7b{one}%7d/content"),
    "another installation": of_another_key,
    "the key itself": forged(SIGNING_KEY),
    "no key": forged(b""),
    "another digest": forged(SIGNING_KEY, hashlib.sha512),
    "over": lambda site: site.target(lifetime_s=-1),
    "long over": lambda site: site.target(lifetime_s=-(10**9)),
    # Paths.
    "up and down": path(lambda one: f"/media/../media/{one}/content"),
    "up": path(lambda one: f"/media/{one}/../../keys/signing.key"),
    "up in escapes": path(lambda one: f"/media/{one}/%2e%2e%2f%2e%2e%2fkeys"),
    "up in escapes of escapes": path(lambda one: f"/media/{one}/%252e%252e%252fkeys"),
    "up in long forms": path(lambda one: f"/media/{one}/%c0%ae%c0%ae/content"),
    "backslashes": path(lambda one: f"/media/..%5c{one}/content"),
    "a slash behind": path(lambda one: f"/media/{one}/content/"),
    "two slashes": path(lambda one: f"/media//{one}/content"),
    "two slashes before": path(lambda one: f"//media/{one}/content"),
    "NUL": path(lambda one: f"/media/{one}%00/content"),
    "NUL in the variant": path(lambda one: f"/media/{one}/content%00.png"),
    "a parameter": path(lambda one: f"/media/{one};x=y/content"),
    "a variant in capitals": path(lambda one: f"/media/{one}/CONTENT"),
    "a drive": path(lambda _: "/media/C:%5cboot.ini/content"),
    "a file": path(lambda _: "/media/%2fetc%2fpasswd/content"),
    "an address": path(lambda _: "/media/http:%2f%2f127.0.0.1:9%2f/content"),
    "a wide slash": path(lambda one: f"/media/{one}%ef%bc%8fcontent/content"),
    "a long item": path(lambda _: f"/media/{'a' * 4000}/content"),
    "the folder": path(lambda _: "/media/"),
    "the root": path(lambda _: "/"),
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_changed_address_opens_nothing(site: Site, change: str) -> None:
    answer = site.ask(CHANGED[change](site))

    assert answer.status in (400, 403, 404, 431)
    assert CONTENT[:30] not in answer.body
    assert THUMBNAIL not in answer.body
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "signature" not in str(dict(answer.headers))


def test_the_address_that_was_made_opens_it(site: Site) -> None:
    assert site.ask(site.target()).body == CONTENT


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
)
def test_an_address_is_for_reading_only(site: Site, method: str) -> None:
    answer = site.ask(site.target(), method)
    assert answer.status == 405
    assert CONTENT[:30] not in answer.body
    assert site.ask(site.target()).body == CONTENT


SIZE = len(CONTENT)
RANGES = {
    "all": "bytes=0-",
    "the last byte": f"bytes={SIZE - 1}-",
    "one behind": f"bytes={SIZE}-",
    "far behind": "bytes=999999999999999999-",
    "more digits than a number has": f"bytes={'9' * 5000}-",
    "nothing from the end": "bytes=-0",
    "more than there is": "bytes=-999999999999",
    "backwards": "bytes=10-5",
    "below nothing": "bytes=-5--1",
    "a word": "bytes=a-b",
    "hexadecimal": "bytes=0x0-0xff",
    "a fraction": "bytes=0.5-1.5",
    "other digits": "bytes=\u0661-\u0662",
    "another unit": "items=0-1",
    "no unit": "0-1",
    "nothing": "",
    "a sign": "bytes=+0-+5",
    "spaces": "bytes= 0 - 5 ",
    "two": "bytes=0-1,5-6",
    "overlapping": "bytes=0-,0-,0-",
    "a thousand": "bytes=" + ",".join(["0-"] * 1000),
    "two headers in one": "bytes=0-1, bytes=5-6",
    "a signed size": f"bytes={2**63}-{2**64}",
}


@pytest.mark.parametrize("asked", RANGES)
def test_a_range_gives_a_part_of_the_file_and_nothing_else(site: Site, asked: str) -> None:
    value = RANGES[asked].encode().decode("latin-1")
    answer = site.ask(site.target(), range=value)

    assert answer.status in (200, 206, 400, 416)
    if answer.status in (200, 206):
        assert answer.body in CONTENT
        assert answer.body
        assert int(answer.headers["content-length"]) == len(answer.body)


# What proxies and attackers put in. None of it may change who is served, or come back.
HEADERS = {
    "host": "evil.example",
    "x_forwarded_host": "evil.example",
    "x_forwarded_proto": "evil",
    "x_forwarded_prefix": "/evil.example",
    "x_forwarded_for": "127.0.0.1, evil.example",
    "forwarded": "host=evil.example;proto=http",
    "x_original_url": "/ready?evil.example",
    "x_rewrite_url": "/ready?evil.example",
    "x_http_method_override": "DELETE evil.example",
    "x_envoy_original_path": "/evil.example",
    "x_accel_redirect": "/evil.example",
    "x_sendfile": "/etc/passwd evil.example",
    "origin": "http://evil.example",
    "referer": "http://evil.example/?signature=evil.example",
    "cookie": "token=evil.example",
    "authorization": "Bearer evil.example",
    "accept": "text/html;evil.example",
    "accept_encoding": "evil.example, gzip;q=1.0, *;q=0",
    "content_length": "0",
    "if_match": "evil.example",
    "if_modified_since": "evil.example",
    "connection": "keep-alive, host, evil.example",
    "upgrade": "h2c",
    "via": "evil.example",
    "te": "trailers, evil.example",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_changes_nothing_and_does_not_come_back(site: Site, name: str) -> None:
    answer = site.ask(site.target(), **{name: HEADERS[name]})

    assert (answer.status, answer.body) == (200, CONTENT)
    assert "evil.example" not in str(list(answer.headers.items()))


@pytest.mark.parametrize("name", HEADERS)
def test_no_header_opens_a_changed_address(site: Site, name: str) -> None:
    answer = site.ask(site.target()[:-1], **{name: HEADERS[name]})

    assert answer.status == 403
    assert "evil.example" not in str(list(answer.headers.items())) + answer.body.decode()


# What a provider or a user may have brought, and a browser would run.
ACTIVE = [
    *("text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/xml"),
    *("text/javascript", "application/javascript", "application/pdf", "text/css", "text/plain"),
    *("application/x-shockwave-flash", "multipart/x-mixed-replace", "message/rfc822", ""),
    *(
        "video/mp4\r\nX-Evil: 1",
        "text/html; charset=utf-7",
        "IMAGE/SVG+XML",
        "image/png, text/html",
    ),
]


@pytest.mark.parametrize("mime_type", ACTIVE, ids=repr)
def test_a_type_that_a_browser_would_run_is_only_ever_saved(site: Site, mime_type: str) -> None:
    site.change(mime_type=mime_type)

    answer = site.ask(site.target())

    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert_harmless(answer)
    assert "x-evil" not in answer.headers


def assert_harmless(answer: Answer) -> None:
    """The headers that keep a browser from doing anything but showing the bytes."""
    policy = answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "allow-" not in policy
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert "private" in answer.headers["cache-control"]


def test_what_is_shown_is_harmless_too(site: Site) -> None:
    assert_harmless(site.ask(site.target()))
    assert_harmless(site.ask(site.target(Variant.THUMBNAIL)))
    assert_harmless(site.ask(site.target(), range="bytes=0-3"))
    assert_harmless(site.ask(site.target(), "HEAD"))


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://localhost.evil.example"]
)
def test_no_origin_is_allowed_by_itself(run: Running, origin: str) -> None:
    for line in ("GET /v1/models", "OPTIONS /v1/models", "GET /media/x/content", "GET /"):
        answer = run.rest("alice")(line, origin=origin, access_control_request_method="POST")
        assert answer.headers.get("access-control-allow-origin") in (None, "")
        assert "access-control-allow-credentials" not in answer.headers


# Requests that a server must not take for two.
SMUGGLED = {
    "two lengths": b"Content-Length: 0\r\nContent-Length: 5\r\n\r\nGET /",
    "a length below nothing": b"Content-Length: -1\r\n\r\n",
    "a length in words": b"Content-Length: +5\r\n\r\nabcde",
    "a coding nobody knows": b"Transfer-Encoding: evil\r\n\r\n",
    "a space before a colon": b"Evil : 1\r\n\r\n",
    "NUL in a header": b"Evil: a\0b\r\n\r\n",
    "a line without a colon": b"evil\r\n\r\n",
}


@pytest.mark.parametrize("kind", SMUGGLED)
def test_a_request_that_can_be_read_in_two_ways_is_refused(site: Site, kind: str) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as connection:
        connection.sendall(f"GET {site.target()} HTTP/1.1\r\nHost: x\r\n".encode() + SMUGGLED[kind])
        answer = connection.recv(65_536)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431", b"HTTP/1.1 501")) or not answer
    assert site.ask(site.target()).status == 200


KEYS = [
    *("", "/", ".", "..", "./a", "../a", "a/../b", "a/..", "a//b", "/a", "a/", "~/a", "a/~"),
    *("media/A", "media/a b", "media/a\0", "media/a\n", "media\\a", "C:/a", "media/a:b", "a/.b"),
    *("media/%2e%2e/a", "media/\u2025/a", "media\uff0fa", "media/é", "-a", "media/-a", "a" * 201),
    *("file:///etc/passwd", "media/a?x", "media/a#x", "media/*", "media/a;b", "media/$HOME", "|id"),
]


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_a_key_that_the_server_did_not_make_is_none(key: str) -> None:
    assert not is_key(key)


@pytest.fixture
def root(site: Site, tmp_path: Path) -> Path:
    """The folder of the blobs, with a secret beside it."""
    (tmp_path / "secret").write_bytes(SECRET * 100)
    return tmp_path / "blobs"


@pytest.mark.parametrize(
    "leads", ["to a file", "to another blob", "nowhere", "to itself", "to a folder"]
)
def test_a_link_in_place_of_a_blob_opens_nothing(site: Site, root: Path, leads: str) -> None:
    blob = root / site.media.blob_key
    blob.unlink()
    targets = {
        "to a file": root.parent / "secret",
        "to another blob": root / site.media.thumbnail_key,
        "nowhere": root / "nowhere",
        "to itself": blob,
        "to a folder": root,
    }
    blob.symlink_to(targets[leads])

    answer = site.ask(site.target())

    assert answer.status in (404, 500, 503)
    assert SECRET not in answer.body
    assert THUMBNAIL not in answer.body


def test_a_link_in_place_of_a_folder_opens_nothing(site: Site, root: Path) -> None:
    elsewhere = root.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / site.media.media_id).write_bytes(SECRET)
    folder = (root / site.media.blob_key).parent
    folder.rename(root.parent / "away")
    folder.symlink_to(elsewhere)

    answer = site.ask(site.target())

    assert answer.status == 404
    assert SECRET not in answer.body


def test_no_log_line_has_a_signature(site: Site) -> None:
    for change in CHANGED.values():
        site.ask(change(site))
    site.ask(site.target())

    text = json.dumps(site.logged, default=str)
    assert part(site.target(), "signature")[:20] not in text
    assert "signature=" not in text
