"""`rushes-admin providers check`: what is wrong with a provider, in words, and never its key."""

import contextlib
import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from admin.providers import examine, probes
from admin.providers.asking import CLOCK_SECONDS
from core.catalog.models import read_catalog
from core.process.settings import read_settings
from tests.fakes.openai import KEY as OPENAI_KEY
from tests.fakes.openai import OpenAIFake
from tests.fakes.vertex import PROJECT, VertexFake
from tests.ports import free_port
from tests.unit.admin.installed import Installation
from tests.unit.admin.running import Place
from workers.providers.vertex import addresses

CANARY = "canary-key-7b1f"


@dataclass
class Answering:
    """What a stand-in answers; `asked` are the requests that came."""

    status: int = 200
    body: Any = None
    ahead_seconds: float = 0
    bodies: list[Any] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)


@contextlib.contextmanager
def answering(answer: Answering) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer.asked.append((self.path, self.headers.get("x-goog-api-key", "")))
            body = answer.bodies.pop(0) if answer.bodies else answer.body
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response_only(answer.status)
            self.send_header("Date", formatdate(time.time() - answer.ahead_seconds, usegmt=True))
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def names_of(provider: str) -> list[str]:
    catalog = read_catalog(None)
    now = catalog.clock()
    models = [m for m in catalog.models.values() if m.provider == provider and not m.retired(now)]
    return [model.provider_model for model in models]


def gemini_list() -> dict[str, Any]:
    return {"models": [{"name": f"models/{name}"} for name in names_of("gemini")]}


def told(url: str, **values: Any) -> tuple[bool, str]:
    """What is said of Gemini at the address."""
    given = {"gemini_api_key": CANARY, "gemini_base_url": url}
    [finding] = examine(read_settings(**{**given, **values}))
    assert finding.provider == "gemini"
    assert CANARY not in finding.text
    return finding.ok, finding.text


def google_error(status: int, reason: str = "") -> Answering:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]
    message = f"The key {CANARY} is wrong."
    return Answering(status, {"error": {"code": status, "message": message, "details": details}})


def test_a_key_that_is_taken_is_told_with_how_many_models_it_has() -> None:
    answer = Answering(body=gemini_list())
    with answering(answer) as url:
        assert told(url) == (
            True,
            f"the key is accepted; {len(names_of('gemini'))} models are in its list",
        )
    assert answer.asked == [("/v1/models?pageSize=1000", CANARY)]


def test_a_list_of_several_pages_is_read_to_its_end() -> None:
    first, *others = gemini_list()["models"]
    pages = [{"models": [first], "nextPageToken": "two"}, {"models": others}]
    answer = Answering(bodies=pages)
    with answering(answer) as url:
        assert told(url)[0]
    assert [path for path, _ in answer.asked] == [
        "/v1/models?pageSize=1000",
        "/v1/models?pageSize=1000&pageToken=two",
    ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (google_error(400, "API_KEY_INVALID"), "the key of RUSHES_GEMINI_API_KEY was refused"),
        (google_error(401), "was refused (401)"),
        (google_error(403), "was refused (403)"),
        (google_error(403, "SERVICE_DISABLED"), "has not enabled the API"),
        (google_error(404), "look at RUSHES_GEMINI_BASE_URL"),
        (google_error(429), "(429): try again later"),
        (google_error(503), "trouble of its own (503)"),
        (Answering(body=b"<html>hello</html>"), "not like gemini: see RUSHES_GEMINI_BASE_URL"),
        (Answering(body=["no object"]), "not like gemini"),
        (Answering(302, body={}), "answers (302)"),
        (Answering(body={"models": [{"name": "models/other"}]}), "of the models file is not in"),
        (Answering(body=gemini_list(), ahead_seconds=500), "s ahead of the provider's"),
        (Answering(body=gemini_list(), ahead_seconds=-500), "s behind the provider's"),
    ],
)
def test_what_is_wrong_is_said_in_words(answer: Answering, words: str) -> None:
    with answering(answer) as url:
        ok, text = told(url)
    assert not ok
    assert words in text


def test_a_second_more_or_less_is_no_wrong_clock() -> None:
    with answering(Answering(body=gemini_list(), ahead_seconds=CLOCK_SECONDS / 2)) as url:
        assert told(url)[0]


def test_without_a_network_that_is_said() -> None:
    assert (
        "127.0.0.1 can't be reached (connection refused)"
        in told(f"http://127.0.0.1:{free_port()}")[1]
    )
    assert "there is no network here, or no DNS" in told("https://nowhere.invalid")[1]


def test_a_server_that_hangs_up_or_speaks_no_tls_is_no_surprise() -> None:
    with answering(Answering(body=b"")) as url:
        assert "can't be reached" in told(url.replace("http", "https"))[1]


def test_a_certificate_that_is_not_accepted_points_to_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "certificate is not yet valid"

    def refuse(*_: object, **__: object) -> None:
        raise probes.send.__globals__["httpx2"].ConnectError("refused") from error

    monkeypatch.setattr("httpx2.Client.request", refuse)
    assert "(certificate is not yet valid): look at this machine's clock" in told("https://x")[1]


def test_a_key_file_that_can_not_be_read_is_told_before_anybody_is_asked(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    ok, text = told("https://nowhere.invalid", gemini_api_key_file=absent)
    assert (ok, text) == (
        False,
        f"RUSHES_GEMINI_API_KEY_FILE: {absent} can't be read: no such file or directory",
    )
    absent.write_text(CANARY)
    absent.chmod(0o644)
    _, text = told("https://nowhere.invalid", gemini_api_key_file=absent)
    assert text == f"others may read {absent}: chmod 600 it"


def test_openai_s_list_is_compared_too(tmp_path: Path) -> None:
    with OpenAIFake(tmp_path) as fake:
        values = {"openai_base_url": f"{fake.url}/v1"}
        [good] = examine(read_settings(openai_api_key=OPENAI_KEY, **values))
        [bad] = examine(read_settings(openai_api_key=CANARY, **values))
        assert fake.posts == {}
    assert (good.provider, good.ok) == ("openai", True), good.text
    assert not bad.ok
    assert "the key of RUSHES_OPENAI_API_KEY was refused (401)" in bad.text
    assert CANARY not in bad.text


@pytest.fixture
def vertex(tmp_path: Path) -> Iterator[VertexFake]:
    with VertexFake(tmp_path) as fake:
        fake.credentials_file.chmod(0o600)
        yield fake


def vertex_told(fake: VertexFake, **values: Any) -> tuple[bool, str]:
    given: dict[str, Any] = {
        "vertex_project": PROJECT,
        "vertex_credentials_file": fake.credentials_file,
        "vertex_base_url": fake.url,
    }
    [finding] = examine(read_settings(**{**given, **values}))
    assert "PRIVATE KEY" not in finding.text
    return finding.ok, finding.text


def test_vertex_is_asked_for_a_token_and_an_operation_that_nobody_has(vertex: VertexFake) -> None:
    assert vertex_told(vertex) == (True, f"the credentials are accepted in {PROJECT}")
    assert not [path for path in vertex.posts if path.endswith(":predictLongRunning")]
    assert vertex.ledger.lines == []


def test_vertex_s_troubles_have_words(vertex: VertexFake, tmp_path: Path) -> None:
    vertex.token_status = 400
    assert "gives no token for the credentials" in vertex_told(vertex)[1]
    vertex.token_status = 200

    other = tmp_path / "other.json"
    for content, words in (("{}", "is not the key of a service account"), ("x", "is not the key")):
        other.write_text(content)
        other.chmod(0o600)
        assert words in vertex_told(vertex, vertex_credentials_file=other)[1]
    other.write_text('{"type": "service_account", "client_email": "x"}')
    assert f"{other} is damaged" in vertex_told(vertex, vertex_credentials_file=other)[1]
    absent = tmp_path / "absent"
    assert "can't be read: no such file" in vertex_told(vertex, vertex_credentials_file=absent)[1]


@pytest.mark.parametrize(
    ("status", "reason", "message", "words"),
    [
        (403, "", "Permission denied", "there is no project fake-project"),
        (403, "SERVICE_DISABLED", "", "the Vertex AI API is not enabled"),
        (403, "BILLING_DISABLED", "", "has no billing account"),
        (401, "ACCESS_TOKEN_EXPIRED", "", "the token was refused"),
        (404, "", "Publisher Model `x` was not found", "is not there for the project"),
        (429, "", "", "try again later"),
        (500, "", "", "trouble of its own"),
        (302, "", "", "look at RUSHES_VERTEX_LOCATION"),
    ],
)
def test_what_vertex_says_of_the_operation_is_put_in_words(
    vertex: VertexFake, status: int, reason: str, message: str, words: str
) -> None:
    answer = google_error(status, reason)
    answer.body["error"]["message"] = message
    with answering(answer) as url:
        ok, text = vertex_told(vertex, vertex_base_url=url)
    assert not ok
    assert words in text


def test_a_page_of_html_is_not_vertex(vertex: VertexFake) -> None:
    with answering(Answering(404, b"<html>")) as url:
        assert "not like Vertex AI" in vertex_told(vertex, vertex_base_url=url)[1]


@pytest.mark.parametrize("location", ["us-central1", "global", "eu", "us"])
def test_the_check_and_the_jobs_go_to_the_same_host(location: str) -> None:
    name = f"projects/p/locations/{location}/publishers/google/models/m/operations/o"
    asked = addresses.Addresses.of(read_settings(vertex_project="p")).ask(name)
    assert asked is not None
    assert asked.startswith(probes.vertex_host(location) + "/")


def test_without_a_paid_provider_there_is_nothing_to_check(place: Place) -> None:
    said = place.run("providers", "check")
    assert (said.code, said.out, said.err) == (0, "", "No paid provider is configured.\n")


def test_the_command_prints_a_line_for_each_and_fails_with_one(place: Place) -> None:
    with answering(Answering(body=gemini_list())) as url:
        place.environment = {"gemini_api_key": CANARY, "gemini_base_url": url}
        good = place.run("providers", "check")
        place.environment |= {"openai_api_key": CANARY, "openai_base_url": f"{url}/v1"}
        bad = place.run("providers", "check", "--json")
    assert (good.code, good.rows[0][:2]) == (0, ["gemini", "ok"])
    assert bad.code == 1
    assert {found["provider"]: found["ok"] for found in json.loads(bad.out)} == {
        "gemini": True,
        "openai": False,
    }
    assert CANARY not in good.out + bad.out + good.err + bad.err


def test_a_key_of_the_run_that_this_shell_has_not_is_asked_for(
    place: Place, tmp_path: Path
) -> None:
    # Given a run of `make up` that got its key by a variable
    state = place.folder / "run" / "standalone.json"
    state.parent.mkdir()
    settings = {"RUSHES_DATA_DIR": str(place.folder)}
    run = {"pid": 1, "settings": settings, "withheld": ["RUSHES_GEMINI_API_KEY"]}
    state.write_text(json.dumps(run))

    # Then a command that needs no key works, and this one says what it needs
    assert place.run("budget", "show").code == 0
    said = place.run("providers", "check")
    assert said.code == 1
    assert "set RUSHES_GEMINI_API_KEY in this shell as for the run" in said.out


def test_the_doctor_says_the_same_words_without_a_call(well: Installation, tmp_path: Path) -> None:
    key = tmp_path / "gemini.key"
    well.set(gemini_api_key_file=key, gemini_base_url="https://nowhere.invalid")
    assert well.only("keys").startswith(f"gemini: RUSHES_GEMINI_API_KEY_FILE: {key} can't be read")

    key.write_text(CANARY)
    key.chmod(0o644)
    assert well.only("keys") == f"gemini: others may read {key}: chmod 600 it"

    key.chmod(0o600)
    assert well.findings()["keys"].text.endswith("; those of gemini are there")
