"""Links and their pages: forged addresses, what a browser would run, and what comes after the end.

A browser opens the page of a hostile title while a canary listens.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

from core.blobs import AddressSigner, Variant
from core.ids import new_id
from core.media import MediaType
from core.shares import Share, SharedItem
from tests.e2e.test_browser import FLAGS
from tests.e2e.test_browser import chromium as chromium
from tests.security.test_addresses import ACTIVE, HEADERS, LAST, assert_harmless, part, with_part
from tests.unit.server.http.conftest import CONTENT, THUMBNAIL, Answer, Site
from tests.unit.server.http.conftest import site as site

LIFETIME_S = 600
TITLE = "a boat that nobody else knows"


class Link:
    """A link to the item of a site."""

    def __init__(self, site: Site, title: str = TITLE) -> None:
        self.site = site
        self.end_s = int(time.time()) + LIFETIME_S
        share = Share(
            share_id=new_id(),
            media_id=site.media.media_id,
            owner_user_id="alice",
            expire_time=self.end_s * 1000,
        )
        self.share_id = share.share_id
        self.show(SharedItem(share, replace(site.media, title=title)))

    def show(self, item: SharedItem) -> None:
        """What the database says of it from now on."""
        self.site.links[self.share_id] = item

    def change(self, **values: Any) -> None:
        """Changes its item."""
        item = self.site.links[self.share_id]
        self.show(replace(item, media=replace(item.media, **values)))

    def target(self, variant: Variant | None = Variant.CONTENT) -> str:
        """Path and query; without a variant those of the page."""
        url = urlsplit(self.site.signer.share_url(self.share_id, self.end_s, variant))
        return f"{url.path}?{url.query}"


@pytest.fixture
def link(site: Site) -> Link:
    return Link(site)


def signed(
    link: Link, signer: AddressSigner | None = None, share_id: str = "", end_s: int = 0
) -> str:
    """What somebody signs who has another key, or means another share or end."""
    query = (signer or link.site.signer).share_query(share_id or link.share_id, end_s or link.end_s)
    return f"/shares/{link.share_id}/content?{query}"


def query_of(url: str) -> str:
    return urlsplit(url).query


def signature(change: Callable[[str], str]) -> Callable[[Link], str]:
    return lambda link: with_part(
        link.target(), "signature", change(part(link.target(), "signature"))
    )


def of_media(variant: Variant, name: Callable[[Link], str]) -> Callable[[Link], str]:
    """The query of a good address of an item, behind the path of the link."""
    return lambda link: (
        f"/shares/{link.share_id}/{variant}?"
        + query_of(link.site.signer.url(name(link), variant, link.end_s))
    )


CHANGED: dict[str, Callable[[Link], str]] = {
    "no query": lambda link: link.target().partition("?")[0],
    "no signature": signature(lambda _: ""),
    "zeros": signature(lambda _: "A" * 43),
    "half a signature": signature(lambda good: good[:20]),
    "a letter more": signature(lambda good: good + "A"),
    "a padded signature": signature(lambda good: good + "="),
    "a signature in capitals": signature(str.upper),
    "other spare bits": signature(lambda good: good[:-1] + LAST[LAST.index(good[-1]) ^ 1]),
    "a break behind": signature(lambda good: good + "%0a"),
    "a surrogate": signature(lambda _: "%ed%a0%80"),
    "a long signature": signature(lambda good: good * 500),
    "a second later": lambda link: with_part(link.target(), "expire_time", str(link.end_s + 1)),
    "a zero before": lambda link: with_part(link.target(), "expire_time", f"0{link.end_s}"),
    "for ever": lambda link: with_part(link.target(), "expire_time", "9" * 4000),
    "another share": lambda link: link.target().replace(link.share_id, Link(link.site).share_id),
    "a share that never was": lambda link: link.target().replace(link.share_id, new_id()),
    "an item in its place": lambda link: link.target().replace(
        link.share_id, link.site.media.media_id
    ),
    "capitals": lambda link: link.target().replace(link.share_id, link.share_id.upper()),
    "another key": lambda link: signed(link, AddressSigner("http://x", b"o" * 32)),
    "an end that is over": lambda link: signed(link, end_s=int(time.time()) - 1),
    "signed for an item": of_media(Variant.CONTENT, lambda link: link.share_id),
    "signed for a thumbnail": of_media(Variant.THUMBNAIL, lambda link: link.share_id),
    "of the item": of_media(Variant.CONTENT, lambda link: link.site.media.media_id),
    "signed for an upload": lambda link: (
        f"/shares/{link.share_id}/content?"
        + query_of(link.site.signer.upload_url(link.share_id, link.end_s))
    ),
    "another variant": lambda link: link.target().replace("/content?", "/blob?"),
    "a variant in capitals": lambda link: link.target().replace("/content?", "/CONTENT?"),
    "up": lambda link: link.target().replace("/content?", "/../../keys/signing.key?"),
    "up in escapes": lambda link: link.target().replace("/content?", "/%2e%2e%2fcontent?"),
    "two slashes": lambda link: link.target().replace("/shares/", "/shares//"),
    "a slash behind": lambda link: link.target().replace("/content?", "/content/?"),
    "NUL": lambda link: link.target().replace(link.share_id, link.share_id + "%00"),
    "the item's path": lambda link: link.target().replace(
        f"/shares/{link.share_id}", f"/media/{link.site.media.media_id}"
    ),
    "the path of items": lambda link: link.target().replace("/shares/", "/media/"),
    "the path of uploads": lambda link: (
        link.target().replace("/shares/", "/uploads/").replace("/content", "")
    ),
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_changed_address_of_a_link_opens_nothing(site: Site, link: Link, change: str) -> None:
    answer = site.ask(CHANGED[change](link))

    assert answer.status in (400, 403, 404, 405, 431)
    assert_shows_nothing(link, answer)
    assert "signature" not in str(dict(answer.headers))


# Those that lead to a page when the variant is left out.
OF_PAGES = [
    *("no query", "no signature", "zeros", "half a signature", "a padded signature"),
    *("a second later", "a zero before", "another share", "a share that never was", "capitals"),
    *("an item in its place", "another key", "an end that is over", "signed for an item"),
    *("of the item", "signed for an upload"),
]


@pytest.mark.parametrize("change", OF_PAGES)
def test_each_changed_address_of_a_page_gets_the_same_answer(
    site: Site, link: Link, change: str
) -> None:
    target = CHANGED[change](link).replace("/content", "")
    answer = site.ask(target)
    assert (answer.status, answer.body) == (404, site.ask("/shares/x").body)
    assert_shows_nothing(link, answer)


def assert_shows_nothing(link: Link, answer: Answer) -> None:
    assert CONTENT[:30] not in answer.body
    assert THUMBNAIL not in answer.body
    assert TITLE.encode() not in answer.body
    assert link.site.media.media_id.encode() not in answer.body
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "etag" not in answer.headers


def test_the_addresses_that_were_made_open_it(site: Site, link: Link) -> None:
    assert site.ask(link.target()).body == CONTENT
    assert site.ask(link.target(Variant.THUMBNAIL)).body == THUMBNAIL
    page = site.ask(link.target(None))
    assert page.status == 200
    assert TITLE.encode() in page.body


def over(link: Link) -> None:
    item = link.site.links[link.share_id]
    link.show(replace(item, lasts=False))


def revoked(link: Link) -> None:
    del link.site.links[link.share_id]


def bytes_gone(link: Link) -> None:
    item = link.site.media
    link.site.blobs.delete([item.blob_key, item.thumbnail_key])


ENDS = {"it was revoked": revoked, "its time is over": over}
# Every way to ask, each of which was good before.
ASKED: dict[str, tuple[Variant | None, str, dict[str, str]]] = {
    "the file": (Variant.CONTENT, "GET", {}),
    "its head": (Variant.CONTENT, "HEAD", {}),
    "a range": (Variant.CONTENT, "GET", {"range": "bytes=0-10"}),
    "no range of it": (Variant.CONTENT, "GET", {"range": f"bytes={len(CONTENT)}-"}),
    "what it has already": (Variant.CONTENT, "GET", {"if_none_match": '"' + "ab" * 32 + '"'}),
    "anything it has": (Variant.CONTENT, "GET", {"if_none_match": "*"}),
    "the rest of it": (
        Variant.CONTENT,
        "GET",
        {"range": "bytes=100-", "if_range": '"' + "ab" * 32 + '"'},
    ),
    "the thumbnail": (Variant.THUMBNAIL, "GET", {}),
    "the page": (None, "GET", {}),
    "the head of the page": (None, "HEAD", {}),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("asked", ASKED)
def test_nothing_is_served_after_the_end(site: Site, link: Link, asked: str, end: str) -> None:
    # Given a link that somebody has opened in this way
    variant, method, headers = ASKED[asked]
    before = site.ask(link.target(variant), method, **headers)
    assert before.status in (200, 206, 304, 416)

    # When it ends
    ENDS[end](link)

    # Then the very next request gets nothing, also nothing that says that it was there
    answer = site.ask(link.target(variant), method, **headers)
    assert answer.status in (403, 404)
    assert_shows_nothing(link, answer)


@pytest.mark.parametrize("variant", [*Variant, None])
def test_nobody_keeps_an_answer_without_asking_again(
    site: Site, link: Link, variant: Variant | None
) -> None:
    kept = site.ask(link.target(variant)).headers["cache-control"]
    assert "private" in kept
    assert "no-cache" in kept or "no-store" in kept
    assert "max-age" not in kept


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("variant", [Variant.CONTENT, None])
def test_a_link_is_for_reading_only(
    site: Site, link: Link, variant: Variant | None, method: str
) -> None:
    answer = site.ask(link.target(variant), method)
    assert answer.status == 405
    assert_shows_nothing(link, answer)


@pytest.mark.parametrize("mime_type", ACTIVE, ids=repr)
def test_a_type_that_a_browser_would_run_is_only_ever_saved(
    site: Site, link: Link, mime_type: str
) -> None:
    link.change(mime_type=mime_type)

    answer = site.ask(link.target())
    page = site.ask(link.target(None))

    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert_harmless(answer)
    assert "x-evil" not in {**answer.headers, **page.headers}
    assert page.headers["content-type"] == "text/html; charset=utf-8"


def test_what_is_shown_is_harmless_too(site: Site, link: Link) -> None:
    assert_harmless(site.ask(link.target()))
    assert_harmless(site.ask(link.target(Variant.THUMBNAIL)))
    assert_harmless(site.ask(link.target(), range="bytes=0-3"))
    assert_harmless(site.ask(link.target(), "HEAD"))


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_changes_nothing_and_does_not_come_back(site: Site, link: Link, name: str) -> None:
    for variant in (Variant.CONTENT, None):
        plain = site.ask(link.target(variant))
        answer = site.ask(link.target(variant), **{name: HEADERS[name]})
        assert (answer.status, answer.body) == (200, plain.body)
        assert "evil.example" not in str(list(answer.headers.items()))


def test_no_log_line_has_a_signature(site: Site, link: Link) -> None:
    for variant in (*Variant, None):
        site.ask(link.target(variant))
    for change in CHANGED.values():
        site.ask(change(link))

    text = json.dumps(site.logged, default=str)
    assert part(link.target(), "signature")[:20] not in text
    assert "signature=" not in text
    assert TITLE not in text


# Each calls the canary if a browser takes it for more than a text.
HOSTILE = (
    "<script>fetch('CANARY')</script>",
    "</title><script src='CANARY'></script>",
    "</h1><img src=CANARY>",
    '"><img src=CANARY onerror="fetch(`CANARY`)">',
    "' onload=fetch('CANARY') x='",
    '" autofocus tabindex=1 onfocus="fetch(`CANARY`)" x="',
    "</style><style>@import url(CANARY);",
    "<style>body{background:url(CANARY)}</style>",
    '<meta http-equiv="refresh" content="0;url=CANARY">',
    '"><link rel=stylesheet href=CANARY>',
    '<base href="CANARY">',
    "<iframe src=CANARY></iframe>",
    '<object data="CANARY"></object><embed src="CANARY">',
    "<svg/onload=fetch('CANARY')>",
    '<form action="CANARY"><input autofocus></form>',
    "<!--><script>fetch('CANARY')</script>-->",
    "<noscript><p title='</noscript><img src=CANARY>'>",
    "+ADw-script+AD4-fetch('CANARY')+ADw-/script+AD4-",
    "$style$tags${body}<img src=CANARY>",
)


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    """An address that nobody should call, and who did."""
    heard: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/canary", heard
        finally:
            server.shutdown()
            thread.join()


def opened(chromium: str, address: str, profile: Path) -> str:
    """What a browser makes of a page, once everything on it is loaded."""
    command = [chromium, *FLAGS, f"--user-data-dir={profile}"]
    return subprocess.run(
        [*command, "--virtual-time-budget=5000", "--dump-dom", address],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    ).stdout


@pytest.mark.timeout(120)
@pytest.mark.parametrize("type", MediaType)
def test_no_title_makes_a_browser_run_or_load_anything(
    site: Site, chromium: str, canary: tuple[str, list[str]], tmp_path: Path, type: MediaType
) -> None:
    # Given a page with all hostile titles in one
    address, heard = canary
    together = " ".join(HOSTILE).replace("CANARY", address)
    link = Link(site, together)
    link.change(type=type)

    shown = opened(chromium, f"http://127.0.0.1:{site.port}{link.target(None)}", tmp_path / "p")

    assert heard == []
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown


def test_the_canary_hears_a_page_that_is_not_ours(
    chromium: str, canary: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, heard = canary
    page = tmp_path / "page.html"
    page.write_text(f"<img src={address}>")
    opened(chromium, page.as_uri(), tmp_path / "p")
    assert heard == ["/canary"]


@pytest.mark.parametrize("title", HOSTILE)
def test_a_hostile_title_is_a_text(site: Site, title: str) -> None:
    page = site.ask(Link(site, title.replace("CANARY", "http://evil.example/")).target(None))

    text = page.body.decode()
    for opening in ("<script", "<img", "<iframe", "<link", "<base", "<object", "<svg", "<form"):
        assert opening not in text
    assert page.headers["content-security-policy"].startswith("default-src 'none';")
    assert "evil.example" not in str(list(page.headers.items()))


def test_a_link_whose_bytes_are_gone_shows_none(site: Site, link: Link) -> None:
    bytes_gone(link)
    for variant in Variant:
        assert site.ask(link.target(variant)).status == 404
