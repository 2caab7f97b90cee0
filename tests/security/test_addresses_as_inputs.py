"""Addresses as inputs: only of hosts that the operator allows, and nobody else is asked."""

import ipaddress
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

import server.commands.submit as submit
from core import decoding
from rushes.v1 import media_service_pb2 as pb
from tests.fakes.https import HOST, Site, answer_of, canary, site
from tests.house import House
from tests.rpc.requests import png, video

Code = grpc.StatusCode
StartHouse = Callable[..., House]
VECTORS = [
    *("http://{host}/x", "ftp://{host}/x", "file:///etc/passwd", "gopher://{host}/_x"),
    *("data:image/png;base64,AAAA", "unix:/tmp/socket", "//{host}/x", "{host}/x", "https://", ""),
    *("https://127.0.0.1/x", "https://127.1/x", "https://2130706433/x", "https://0x7f000001/x"),
    *("https://0177.0.0.1/x", "https://0/x", "https://127.0.0.1.nip.io/x", "https://localhost/x"),
    *("https://localhost.localdomain/x", "https://[::1]/x", "https://[::ffff:127.0.0.1]/x"),
    *("https://169.254.169.254/latest/meta-data", "https://metadata.google.internal/x"),
    *("https://a@{host}/x", "https://a:b@{host}/x", "https://{host}@127.0.0.1/x"),
    *("https://{host}:22/x", "https://{host}:6379/x", "https://{host}:5432/x", "https://{host}:/x"),
    *("https://{host}:99999/x", "https://{host}:-1/x", "https://{host}:x/x"),
    *("https://{host}\\@127.0.0.1/x", "https://127.0.0.1\\.{host}/x"),
    *("https://{host}/a\r\nHost: 127.0.0.1", "https://{host}/a b", "https://{host}/\x00"),
    *("https://{host}/\t", " https://{host}/x", "https://{host}/x ", "https://{host}./x"),
    *("https://.{host}/x", "https://sub.{host}/x", "https://{host}.evil.com/x"),
    *("https://evil-{host}/x", "https://{host}%2eevil.com/x", "https://ⓜedia.example.com/x"),
    *("https://media。example.com/x", "https://{host}/ü", "https:///{host}/x", "https:{host}/x"),
    *("https://" + "a" * 1024 + "/x", "https://{host}/" + "a" * 3000),
]
FIELDS: dict[str, Callable[[Any], Any]] = {
    "spec.first_frame": lambda spec: spec.first_frame,
    "spec.references[0]": lambda spec: spec.references.add(),
}


def asked(uri: str, field: str = "spec.first_frame", **options: Any) -> pb.GenerateVideoRequest:
    request = video(**options)
    FIELDS[field](request.spec).uri = uri
    return request


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path, answer_of(png())) as opened:
        yield opened
    decoding.close()


@pytest.fixture
def open_to(start: StartHouse, there: Site, monkeypatch: pytest.MonkeyPatch) -> House:
    """A server whose operator allows the host, which the resolver finds on this machine."""
    monkeypatch.setattr(submit, "Fetcher", lambda *limits: there.fetcher(*limits))
    return start(input_uri_hosts=HOST)


def test_addresses_are_off_unless_the_operator_names_hosts(start: StartHouse) -> None:
    refusal = start().caller("alice").refused("GenerateVideo", asked(f"https://{HOST}/x"))
    assert (refusal.code, refusal.fields) == (Code.INVALID_ARGUMENT, ("spec.first_frame.uri",))
    assert "RUSHES_INPUT_URI_HOSTS" in refusal.message


@pytest.mark.parametrize("field", FIELDS)
def test_every_vector_is_refused_and_asks_nobody(open_to: House, there: Site, field: str) -> None:
    alice = open_to.caller("alice")
    for vector in VECTORS:
        request = asked(vector.replace("{host}", HOST), field)
        refusal = alice.refused("GenerateVideo", request)
        assert refusal.code == Code.INVALID_ARGUMENT, vector
        assert refusal.fields == (f"{field}.uri",), vector
    assert (there.resolved, there.asked) == ([], [])
    assert open_to.count_rows()["job"] == 0


def test_a_host_that_leads_inside_is_never_connected_to(
    start: StartHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with canary() as (port, connections):
        real = submit.Fetcher
        inside = ipaddress.ip_address("127.0.0.1")
        monkeypatch.setattr(
            submit, "Fetcher", lambda *limits: real(*limits, resolve=lambda _: [inside], port=port)
        )
        house = start(input_uri_hosts=HOST)
        refusal = house.caller("alice").refused("GenerateVideo", asked(f"https://{HOST}/x"))
        assert (refusal.code, refusal.reason) == (Code.INVALID_ARGUMENT, "INPUT_MEDIA_INVALID")
        assert refusal.fields == ("spec.first_frame.uri",)
        assert connections == []
    assert (house.count_rows()["job"], house.blob_files()) == (0, [])


def test_what_is_fetched_is_kept_as_if_it_had_come_inside(open_to: House, there: Site) -> None:
    alice = open_to.caller("alice")
    request = asked(f"https://{HOST}/cat.png", request_id="one")

    job = alice.call("GenerateVideo", request).job
    again = alice.call("GenerateVideo", request)

    # The same request is answered without a second look
    assert (again.deduplicated, again.job.job_id) == (True, job.job_id)
    assert len(there.asked) == 1
    media_id = job.video.first_frame.media_id
    item = alice.call("GetMedia", pb.GetMediaRequest(media_id=media_id)).media
    assert (item.mime_type, item.width) == ("image/png", 64)
    other = asked(f"https://{HOST}/dog.png", request_id="one")
    assert alice.refused("GenerateVideo", other).reason == "REQUEST_ID_CONFLICT"


def test_a_check_alone_stores_nothing(open_to: House, there: Site) -> None:
    request = asked(f"https://{HOST}/cat.png", validate_only=True)
    assert open_to.caller("alice").call("GenerateVideo", request).job.job_id == ""
    assert (open_to.blob_files(), open_to.count_rows()["media"]) == ([], 0)


@pytest.mark.parametrize(
    "body",
    [b"<svg/>", b"GIF89a", b"\x89PNG\r\n\x1a\n cut", b"{}"],
    ids=["svg", "gif", "cut", "json"],
)
def test_the_bytes_decide(
    start: StartHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    with site(tmp_path, answer_of(body, "200 OK", "Content-Type: image/png")) as there:
        monkeypatch.setattr(submit, "Fetcher", lambda *limits: there.fetcher(*limits))
        house = start(input_uri_hosts=HOST)
        refusal = house.caller("alice").refused("GenerateVideo", asked(f"https://{HOST}/x"))
    assert (refusal.reason, refusal.fields) == ("INPUT_MEDIA_INVALID", ("spec.first_frame.uri",))
    decoding.close()
