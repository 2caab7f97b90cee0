import json
import re
import socket
from http import HTTPStatus

import pytest

from core.blobs import AddressSigner, Variant
from core.errors import DependencyUnavailable
from core.ids import new_id
from tests.counting import growth
from tests.services import wait_for
from tests.unit.server.http.conftest import CONTENT, THUMBNAIL, Site


def test_a_signed_address_gives_the_bytes(site: Site) -> None:
    answer = site.ask(site.target())

    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == f'"{site.media.sha256}"'
    # Else a browser takes what it cached without CORS for a request with it
    assert answer.headers["vary"] == "Origin"


def test_a_thumbnail_has_an_address_of_its_own(site: Site) -> None:
    answer = site.ask(site.target(Variant.THUMBNAIL))

    assert (answer.status, answer.body) == (200, THUMBNAIL)
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["etag"] != f'"{site.media.sha256}"'


def test_a_browser_may_do_nothing_with_it_but_show_it(site: Site) -> None:
    headers = site.ask(site.target(lifetime_s=600)).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"].startswith("sandbox; default-src 'none';")
    assert headers["content-disposition"] == f'inline; filename="{site.media.media_id}.mp4"'
    cache = re.fullmatch(r"private, max-age=(\d+), immutable", headers["cache-control"])
    assert cache
    assert 570 < int(cache[1]) <= 600


def test_it_can_be_saved_as_a_file(site: Site) -> None:
    headers = site.ask(site.target() + "&download=1").headers

    assert headers["content-disposition"] == f'attachment; filename="{site.media.media_id}.mp4"'


def test_a_type_that_is_not_known_is_only_ever_saved(site: Site) -> None:
    site.change(mime_type="image/svg+xml")

    headers = site.ask(site.target()).headers

    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=4-11", 4, 12),
        ("bytes=1000-", 1000, len(CONTENT)),
        ("bytes=-7", len(CONTENT) - 7, len(CONTENT)),
        (f"bytes=0-{10**12}", 0, len(CONTENT)),
    ],
)
def test_a_range_is_partial_content(site: Site, asked: str, start: int, end: int) -> None:
    answer = site.ask(site.target(), range=asked)

    assert (answer.status, answer.body) == (206, CONTENT[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert answer.headers["content-length"] == str(end - start)
    assert answer.headers["content-type"] == "video/mp4"


def test_a_range_outside_is_not_satisfiable(site: Site) -> None:
    answer = site.ask(site.target(), range=f"bytes={len(CONTENT)}-")

    assert answer.status == 416
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"
    assert json.loads(answer.body)["code"] == 11


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=x", "lines=1-2"])
def test_other_ranges_give_everything(site: Site, asked: str) -> None:
    answer = site.ask(site.target(), range=asked)

    assert (answer.status, answer.body) == (200, CONTENT)


def test_a_range_of_another_version_gives_everything(site: Site) -> None:
    good, bad = f'"{site.media.sha256}"', '"another"'

    assert site.ask(site.target(), range="bytes=0-3", if_range=good).status == 206
    answer = site.ask(site.target(), range="bytes=0-3", if_range=bad)
    assert (answer.status, answer.body) == (200, CONTENT)


def test_what_the_browser_has_is_not_sent_again(site: Site) -> None:
    answer = site.ask(site.target(), if_none_match=f'"{site.media.sha256}"')

    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == f'"{site.media.sha256}"'
    assert "content-type" not in answer.headers
    assert site.ask(site.target(), if_none_match='"another"').status == 200


def test_head_tells_all_but_the_bytes(site: Site) -> None:
    answer = site.ask(site.target(), "HEAD", range="bytes=0-3")

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["content-type"] == "video/mp4"
    assert site.ask("/media/x/content", "HEAD").status == 403


def test_a_changed_address_is_refused(site: Site) -> None:
    good = site.target()
    other = AddressSigner("http://localhost", b"o" * 32)
    forged = other.url(site.media.media_id, Variant.CONTENT, 9_999_999_999)
    changed = [
        good.replace("signature=", "signature=A"),
        good[:-1],
        good.replace("expire_time=1", "expire_time=2"),
        good.replace("/content?", "/thumbnail?"),
        good.replace(site.media.media_id, new_id()),
        good.split("?")[0],
        good.replace("expire_time", "expires"),
        forged.removeprefix("http://localhost"),
        "/media/..%5c..%5cetc/content?expire_time=9999999999&signature=x",
        "/media/%00/content?expire_time=9999999999&signature=%ff%fe",
        f"/media/{'a' * 4096}/content?expire_time={'9' * 4096}&signature={'x' * 4096}",
    ]
    for target in changed:
        answer = site.ask(target)
        assert (answer.status, answer.reason) == (403, "CREDENTIALS_INVALID"), target
        assert json.loads(answer.body)["code"] == 7
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"


def test_an_expired_address_says_so(site: Site) -> None:
    answer = site.ask(site.target(lifetime_s=-1))

    assert (answer.status, answer.reason) == (403, "CREDENTIALS_EXPIRED")
    assert "expired" in json.loads(answer.body)["message"]


def test_what_is_in_the_bin_is_not_found_until_it_is_taken_out(site: Site) -> None:
    target = site.target()

    site.change(delete_time=1)
    for variant in Variant:
        answer = site.ask(site.target(variant))
        assert (answer.status, answer.reason) == (404, "RESOURCE_NOT_FOUND")
    site.change(delete_time=None)

    assert site.ask(target).status == 200


def test_an_unknown_item_and_missing_bytes_look_the_same(site: Site) -> None:
    target = site.target()
    site.blobs.delete([site.media.blob_key])
    without_bytes = site.ask(target)
    site.items.clear()
    unknown = site.ask(target)

    assert unknown.status == without_bytes.status == 404
    assert unknown.body == without_bytes.body


def test_an_item_without_a_thumbnail_has_none(site: Site) -> None:
    site.change(thumbnail_key="")

    assert site.ask(site.target(Variant.THUMBNAIL)).status == 404


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/media",
        "/media/x",
        "/media/x/poster",
        "/media/a/b/content",
        "/media/..%2fx/content",
        "/docs/",
        "/docs/x",
        "/docs/../openapi.json",
        "/media/x/content/",
    ],
)
def test_other_pages_are_not_found(site: Site, target: str) -> None:
    answer = site.ask(target)

    assert (answer.status, answer.reason) == (404, "RESOURCE_NOT_FOUND")


def test_other_methods_are_refused(site: Site) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = site.ask(site.target(), method)
        assert answer.status == 405
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
        assert json.loads(answer.body)["code"] == 12


def test_a_database_that_is_away_is_said_with_a_time_to_retry(site: Site) -> None:
    site.items[site.media.media_id] = DependencyUnavailable("database")

    answer = site.ask(site.target())

    assert (answer.status, answer.reason) == (503, "DEPENDENCY_UNAVAILABLE")
    assert answer.headers["retry-after"] == "1"


def test_an_unknown_failure_tells_nothing(site: Site) -> None:
    site.items[site.media.media_id] = RuntimeError("secret")

    answer = site.ask(site.target())

    assert (answer.status, answer.reason) == (500, "INTERNAL_ERROR")
    assert b"secret" not in answer.body


def test_it_is_ready_while_the_database_answers(site: Site) -> None:
    assert site.ask("/ready").status == HTTPStatus.OK

    site.items["00000000-0000-0000-0000-000000000000"] = DependencyUnavailable("database")
    assert site.ask("/ready").status == HTTPStatus.SERVICE_UNAVAILABLE


def test_every_request_is_logged_without_its_query(site: Site) -> None:
    path = f"/media/{site.media.media_id}/content"
    asked = [site.target(), site.target() + "x", "/nowhere?signature=secret"]

    statuses = []
    for target in asked:
        statuses.append(site.ask(target).status)
        wait_for(lambda: len(site.logged) == len(statuses))  # written after the last byte

    assert [line["event"] for line in site.logged] == ["http_request"] * 3
    assert [line["path"] for line in site.logged] == [path, path, "/nowhere"]
    assert [line["status"] for line in site.logged] == statuses == [200, 403, 404]
    assert "signature" not in str(site.logged)


def test_a_reader_that_leaves_early_hurts_nobody(site: Site) -> None:
    site.blobs.put_bytes(site.media.blob_key, bytes(20_000_000))
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", site.port)) as reader:
            reader.sendall(f"GET {site.target()} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            reader.recv(1000)

    assert site.ask(site.target(), range="bytes=0-9").body == bytes(10)


def test_requests_are_counted_by_code_and_the_bytes_that_were_sent(site: Site) -> None:
    fine = growth("rushes_http_requests_total", code="200")
    refused = growth("rushes_http_requests_total", code="403")
    sent = growth("rushes_http_sent_bytes_total")

    site.ask(site.target())
    site.ask(site.target() + "x")

    # Requests of an earlier test may be counted late.
    wait_for(lambda: fine() >= 1 and refused() >= 1, "both to be counted")
    assert sent() > len(CONTENT)
