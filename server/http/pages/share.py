"""The page of a link, for people and for the programs of chats that look for Open Graph tags.

It needs no script, and says nothing of an item but its title and what can be seen of it: no prompt,
no owner. Everything that goes into the template is escaped here.
"""

import base64
import hashlib
from html import escape
from pathlib import Path
from string import Template

from core.blobs import AddressSigner, Variant
from core.media import Media, MediaType
from core.shares import SharedItem
from core.times import utc

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "share.css").read_text()
_TEMPLATE = Template((_FOLDER / "share.html").read_text())
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# The page shows pictures and films of this server and its own style. It runs, sends and loads
# nothing else, and is shown inside of no other page.
_POLICY = (
    f"default-src 'none'; img-src 'self'; media-src 'self'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = {
    "Cache-Control": "private, no-store",  # an end counts at once
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# Chats take pictures up to about this size, and else none.
_MOST_PREVIEW_BYTES = 5_000_000
_WORDS = {MediaType.IMAGE: "Image", MediaType.VIDEO: "Video"}


def share_page(item: SharedItem, signer: AddressSigner) -> str:
    """The page that shows the item of a link."""
    media, share = item.media, item.share
    title = media.title.strip() or _WORDS[media.type]
    end_s = -(-share.expire_time // 1000)
    end = utc(share.expire_time)
    # Relative to this page, so that it does not matter under which name the server was reached.
    query = signer.share_query(share.share_id, end_s)
    content, thumbnail = (f"{share.share_id}/{variant}?{query}" for variant in Variant)
    return _TEMPLATE.substitute(
        title=escape(title),
        tags=_tags(_open_graph(item, title, signer, end_s)),
        style=_STYLE,
        body=_player(media, title, content, thumbnail)
        + '<section class="about"><div>'
        + f'<h1 dir="auto">{escape(title)}</h1>'
        + f"<p>{escape(_facts(media))}</p></div>"
        + f'<a class="save" href="{escape(content)}&amp;download=1">Download</a></section>',
        foot=f"This link works until {end.day} {end:%B %Y}.",
    )


def _player(media: Media, title: str, content: str, thumbnail: str) -> str:
    size = f'width="{media.width}" height="{media.height}"'
    if media.type is MediaType.IMAGE:
        return f'<img src="{escape(content)}" alt="{escape(title)}" {size}>'
    poster = f' poster="{escape(thumbnail)}"' if media.thumbnail_key else ""
    shape = "wide" if media.width >= media.height else "tall"
    return (
        f'<video src="{escape(content)}"{poster} {size} class="{shape}"'
        ' controls playsinline preload="metadata"></video>'
    )


def _open_graph(
    item: SharedItem, title: str, signer: AddressSigner, end_s: int
) -> list[tuple[str, str]]:
    """What chats show of the link; their addresses have to be absolute."""
    media, share_id = item.media, item.share.share_id
    content, thumbnail = (signer.share_url(share_id, end_s, variant) for variant in Variant)
    size = [("width", str(media.width)), ("height", str(media.height))]
    tags = [
        ("og:site_name", "Rushes"),
        ("og:title", title),
        ("og:description", _facts(media)),
        ("og:url", signer.share_url(share_id, end_s)),
        ("twitter:card", "summary_large_image"),
    ]
    whole = media.type is MediaType.IMAGE and media.size_bytes <= _MOST_PREVIEW_BYTES
    if whole:
        tags += [("og:image", content), ("og:image:type", media.mime_type)]
        tags += [(f"og:image:{name}", value) for name, value in size]
    elif media.thumbnail_key:
        tags += [("og:image", thumbnail), ("og:image:type", "image/webp")]
    tags.append(("og:image:alt", title))
    if media.type is MediaType.IMAGE:
        return [("og:type", "website"), *tags]
    tags += [("og:video", content), ("og:video:type", media.mime_type)]
    tags += [(f"og:video:{name}", value) for name, value in size]
    if content.startswith("https:"):
        tags.append(("og:video:secure_url", content))
    return [("og:type", "video.other"), *tags]


def _tags(pairs: list[tuple[str, str]]) -> str:
    return "\n".join(
        f'<meta {"name" if name.startswith("twitter") else "property"}="{name}"'
        f' content="{escape(value)}">'
        for name, value in pairs
    )


def _facts(media: Media) -> str:
    """Such as "Video, 8 s, 1280 × 720, 2.3 MB"."""
    facts = [_WORDS[media.type]]
    if media.duration_ms:
        facts.append(f"{media.duration_ms / 1000:.3g} s")
    facts.append(f"{media.width} × {media.height}")
    size = media.size_bytes
    facts.append(f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(size // 1000, 1)} kB")
    return ", ".join(facts)


# The same for every address that opens nothing, so that it tells nothing.
GONE = _TEMPLATE.substitute(
    title="This link does not work",
    tags="",
    style=_STYLE,
    body='<section class="gone"><h1>This link does not work</h1>'
    "<p>It has ended, or a part of its address is missing."
    " Ask whoever sent it to you for a new one.</p></section>",
    foot="",
)
