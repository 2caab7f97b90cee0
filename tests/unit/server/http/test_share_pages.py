"""The page of a link: what people and chats see, and that no title becomes a part of the page."""

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from core.blobs import AddressSigner
from core.media import Media, MediaType
from core.shares import Share, SharedItem
from server.http.pages.share import GONE, PAGE_HEADERS, share_page
from tests.unit.server.http.conftest import SIGNING_KEY, item

SIGNER = AddressSigner("https://rushes.example", SIGNING_KEY)
END_MS = 1_800_000_000_500
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "</title><script>alert(1)</script>",
    "</style><svg onload=alert(1)>",
    "$body ${style} $$title $tags",
    "<!--",
    "&lt;script&gt; &amp;#60;script&amp;#62;",
    "javascript:alert(1)",
    "\u202egnp.exe",
    "a" * 500,
)


class Page(HTMLParser):
    """The elements of a page with their attributes, and its texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def told(self) -> dict[str | None, str | None]:
        """The Open Graph tags, and what is like them."""
        tags = self.of("meta")
        return {one.get("property") or one.get("name"): one.get("content") for one in tags}


def page(media: Media) -> Page:
    share = Share(
        share_id="share-1", media_id=media.media_id, owner_user_id="alice", expire_time=END_MS
    )
    return Page(share_page(SharedItem(share, media), SIGNER))


def film(**changes: Any) -> Media:
    return replace(item(), title="a boat", prompt="a secret", **changes)


def picture(**changes: Any) -> Media:
    values = {"type": MediaType.IMAGE, "mime_type": "image/png", "duration_ms": None, **changes}
    return film(**values)


def test_a_film_has_a_player_with_a_poster_and_a_title() -> None:
    shown = page(film())

    [player] = shown.of("video")
    assert "controls" in player
    for name, variant in (("src", "content"), ("poster", "thumbnail")):
        address = urlsplit(str(player[name]))
        assert address.path == f"share-1/{variant}"
        query = {key: value for key, [value] in parse_qs(address.query).items()}
        assert SIGNER.verify_share("share-1", query["expire_time"], query["signature"], 0)
    assert "a boat" in shown.texts
    [save] = shown.of("a")
    assert str(save["href"]).endswith("&download=1")


def test_a_picture_is_one() -> None:
    [shown] = page(picture()).of("img")
    assert (shown["alt"], shown["width"], shown["height"]) == ("a boat", "640", "360")


def test_chats_see_title_size_and_absolute_addresses() -> None:
    told = page(film()).told()

    assert (told["og:type"], told["og:title"]) == ("video.other", "a boat")
    assert told["og:description"] == "Video, 2 s, 640 × 360, 512 kB"
    for name in ("og:url", "og:image", "og:video", "og:video:secure_url"):
        assert str(told[name]).startswith("https://rushes.example/shares/share-1"), name
    assert told["og:image:type"] == "image/webp"
    assert told["og:video:type"] == "video/mp4"
    # A picture that is too large for chats shows its thumbnail
    small, large = page(picture()).told(), page(picture(size_bytes=6_000_000)).told()
    assert (small["og:image:type"], large["og:image:type"]) == ("image/png", "image/webp")
    # And what was never made is not named
    assert "og:image" not in page(film(thumbnail_key="")).told()


def test_it_tells_no_prompt_no_owner_and_no_job() -> None:
    media = film(job_id="job-1", labels={"project": "p1"})
    share = Share(share_id="s", media_id="m", owner_user_id="alice", expire_time=END_MS)
    text = share_page(SharedItem(share, media), SIGNER)
    for hidden in ("a secret", "alice", "job-1", "p1", media.blob_key):
        assert hidden not in text


def test_an_item_without_a_title_is_named_by_its_type() -> None:
    assert page(replace(picture(), title=" ")).told()["og:title"] == "Image"


@pytest.mark.parametrize("title", HOSTILE)
@pytest.mark.parametrize("make", [film, picture])
def test_no_title_becomes_a_part_of_the_page(make: Any, title: str) -> None:
    shown, plain = page(replace(make(), title=title)), page(make())

    assert [name for name, _ in shown.elements] == [name for name, _ in plain.elements]
    assert [list(of) for _, of in shown.elements] == [list(of) for _, of in plain.elements]
    assert shown.told()["og:title"] == title
    assert title in "".join(shown.texts)


def test_a_browser_runs_and_loads_nothing_else_on_it() -> None:
    policy = PAGE_HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "script-src" not in policy
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    assert PAGE_HEADERS["X-Content-Type-Options"] == "nosniff"
    assert not Page(GONE).of("script") + page(film()).of("script")
