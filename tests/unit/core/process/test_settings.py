from pathlib import Path

import pytest
from pydantic import ValidationError

from core.errors import SettingsInvalid
from core.process.settings import Settings, read_settings


def refused(**values: object) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        read_settings(**values)
    return caught.value.message


def test_everything_has_a_default() -> None:
    settings = read_settings()
    assert settings.port == 8080
    assert settings.queues == ()


def test_variables_of_the_environment_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSHES_PORT", "9000")
    monkeypatch.setenv("RUSHES_DATA_DIR", "/somewhere")
    monkeypatch.setenv("RUSHES_LEASE_SECONDS", "12.5")
    monkeypatch.setenv("RUSHES_REFLECTION", "true")
    monkeypatch.setenv("RUSHES_WORKER_QUEUES", " image , ,video")
    monkeypatch.setenv("RUSHES_OF_ANOTHER_VERSION", "ignored")
    monkeypatch.setenv("PORT", "1")

    settings = read_settings()

    assert (settings.port, settings.lease_seconds, settings.reflection) == (9000, 12.5, True)
    assert settings.data_dir == Path("/somewhere")
    assert settings.queues == ("image", "video")


def test_a_value_that_is_given_stands_above_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RUSHES_PORT", "9000")
    assert read_settings(port=9001).port == 9001


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RUSHES_PORT", "0"),
        ("RUSHES_PORT", "65536"),
        ("RUSHES_PORT", "web"),
        ("RUSHES_MAX_ATTEMPTS", "0"),
        ("RUSHES_MAX_NOTIFICATIONS", "999"),
        ("RUSHES_USAGE_DAYS", "59"),
        ("RUSHES_LEASE_SECONDS", "-1"),
        ("RUSHES_LEASE_SECONDS", "0"),
        ("RUSHES_REFLECTION", "perhaps"),
        ("RUSHES_SIGNED_URL_TTL_SECONDS", "86401"),
        ("RUSHES_JWT_LEEWAY_SECONDS", "-1"),
        ("RUSHES_LOG_LEVEL", "foo"),
        ("RUSHES_LOG_LEVEL", "CRITICAL"),
        ("RUSHES_WORKER_QUEUES", ","),
        ("RUSHES_WORKER_QUEUES", "video,Foo"),
        ("RUSHES_WORKER_QUEUES", "1st"),
        ("RUSHES_PUBLIC_URL", "foo"),
        ("RUSHES_PUBLIC_URL", "https://"),
        ("RUSHES_PUBLIC_URL", "http://host:web"),
        ("RUSHES_CURRENCY", "x"),
        ("RUSHES_CURRENCY", "usd"),
        ("RUSHES_REDIS_URL", "nonsense"),
        ("RUSHES_REDIS_URL", "http://host"),
        ("RUSHES_REDIS_URL", "redis://host:port"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert refused().startswith(f"{variable}: ")


@pytest.mark.parametrize(
    "url", ["redis://host", "rediss://:key@host:6380/1", "unix:///run/valkey.sock?db=1"]
)
def test_every_kind_of_redis_address_is_taken(url: str) -> None:
    assert read_settings(redis_url=url).redis_url == url


def test_an_empty_redis_address_is_the_usual_one() -> None:
    assert read_settings(redis_url="").redis_url == read_settings().redis_url


PROVIDER_URLS = ("gemini_base_url", "vertex_base_url", "storage_base_url", "openai_base_url")


@pytest.mark.parametrize("name", PROVIDER_URLS)
@pytest.mark.parametrize(
    "url",
    [
        "http://proxy.example/v1",
        "HTTP://10.0.0.1",
        "http://localhost@proxy.example",
        "proxy.example",
    ],
)
def test_a_provider_s_address_that_would_tell_others_the_key_is_refused(
    name: str, url: str
) -> None:
    assert refused(**{name: url}).startswith(f"RUSHES_{name.upper()}: use https://")


@pytest.mark.parametrize("name", PROVIDER_URLS)
@pytest.mark.parametrize(
    "url",
    ["", "https://proxy.example/v1", "http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"],
)
def test_a_provider_s_address_is_of_https_or_of_this_machine(name: str, url: str) -> None:
    assert getattr(read_settings(**{name: url}), name) == url


@pytest.mark.parametrize(
    "url",
    ["http://keys.example/jwks", "keys.example", "file:///tmp/jwks", "http://localhost@evil/jwks"],
)
def test_keys_of_tokens_come_from_nobody_who_can_be_imitated(url: str) -> None:
    assert refused(jwt_jwks_url=url).startswith("RUSHES_JWT_JWKS_URL must be https://host")


@pytest.mark.parametrize(
    "url", ["https://keys.example/jwks", "http://127.0.0.1:9/jwks", "http://gpu.lan/jwks"]
)
def test_keys_of_tokens_come_by_https_or_from_hosts_that_the_operator_names(url: str) -> None:
    assert read_settings(jwt_jwks_url=url, plain_http_hosts=PLAIN).jwt_jwks_url == url


def test_a_log_level_may_be_written_small() -> None:
    assert read_settings(log_level="warning").log_level == "WARNING"


def test_all_bad_values_are_named_at_once() -> None:
    complaint = refused(port=0, max_labels=0)
    assert "RUSHES_PORT: " in complaint
    assert "RUSHES_MAX_LABELS: " in complaint


def test_a_bad_value_is_not_repeated_in_the_complaint() -> None:
    assert "secret" not in refused(port="secret")
    assert "secret" not in refused(redis_url="redis://:secret@host:port")


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (
            {"lease_seconds": 9, "heartbeat_seconds": 5},
            ["RUSHES_LEASE_SECONDS", "RUSHES_HEARTBEAT_SECONDS"],
        ),
        (
            {"max_inline_bytes": 10, "max_request_bytes": 10},
            ["RUSHES_MAX_INLINE_BYTES", "RUSHES_MAX_REQUEST_BYTES"],
        ),
        (
            {"api_key_days": 31, "max_api_key_days": 30},
            ["RUSHES_API_KEY_DAYS", "RUSHES_MAX_API_KEY_DAYS"],
        ),
    ],
)
def test_two_values_that_do_not_go_together_are_refused_by_both_names(
    values: dict[str, object], names: list[str]
) -> None:
    complaint = refused(**values)
    assert all(name in complaint for name in names)


def test_settings_never_change() -> None:
    settings = read_settings()
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


def test_every_setting_has_a_sentence() -> None:
    for name, field in Settings.model_fields.items():
        assert (field.description or "").endswith("."), name


def test_places_follow_the_data_folder(tmp_path: Path) -> None:
    settings = read_settings(data_dir=tmp_path)

    assert settings.database == f"sqlite:///{tmp_path}/rushes.db"
    assert settings.database.startswith("sqlite:////")
    assert settings.blobs == f"file://{tmp_path}/blobs"
    assert settings.jwt_key_path == tmp_path / "keys" / "jwt.key"
    assert settings.signing_key_path == tmp_path / "keys" / "signing.key"


def test_a_relative_data_folder_does_not_move_with_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings(data_dir="data").database == f"sqlite:///{tmp_path}/data/rushes.db"


def test_what_is_named_stands_above_the_data_folder() -> None:
    settings = read_settings(
        database_url="postgresql:///x",
        blob_url="s3://bucket",
        jwt_key_file="/keys/a",
        signing_key_file="/keys/b",
        public_url="https://rushes.example/",
    )
    assert (settings.database, settings.blobs) == ("postgresql:///x", "s3://bucket")
    assert settings.jwt_key_path == Path("/keys/a")
    assert settings.signing_key_path == Path("/keys/b")
    assert settings.address == "https://rushes.example"


def test_the_address_is_loopback_until_another_is_named() -> None:
    assert read_settings(port=8123).address == "http://localhost:8123"


def test_a_worker_that_stops_waits_for_the_longest_paid_call_by_default() -> None:
    settings = read_settings()
    assert settings.drain_run_seconds > settings.synchronous_timeout_seconds


PLAIN = "GPU.lan, 10.0.0.7,fd00::7"


@pytest.mark.parametrize("url", ["http://gpu.lan:8000/v1", "http://10.0.0.7", "http://[fd00::7]:9"])
def test_a_provider_may_be_reached_by_plain_http_where_the_operator_says_so(url: str) -> None:
    assert read_settings(openai_base_url=url, plain_http_hosts=PLAIN).openai_base_url == url
    assert refused(openai_base_url=url).endswith("the host in RUSHES_PLAIN_HTTP_HOSTS")


@pytest.mark.parametrize(
    "url", ["http://gpu.lan.evil.example", "http://gpu.lan@evil", "http://10.0.0.71"]
)
def test_a_host_that_only_looks_like_one_of_them_may_not(url: str) -> None:
    refusal = refused(openai_base_url=url, plain_http_hosts=PLAIN)
    assert refusal.startswith("RUSHES_OPENAI_BASE_URL: use https://")


@pytest.mark.parametrize(
    "hosts", [",", "http://gpu.lan", "gpu.lan:8000", "gpu.lan/v1", "a b,", "*"]
)
def test_the_hosts_of_plain_http_are_names_and_nothing_else(hosts: str) -> None:
    assert refused(plain_http_hosts=hosts).startswith("RUSHES_PLAIN_HTTP_HOSTS: ")


def test_origins_and_servers_are_lists() -> None:
    settings = read_settings(
        allowed_origins="https://app.example.com, http://localhost:5173,http://[::1]:8080",
        servers="unix:/run/one.grpc, 10.0.0.1:50051",
    )

    assert settings.origins == (
        "https://app.example.com",
        "http://localhost:5173",
        "http://[::1]:8080",
    )
    assert settings.server_addresses == ("unix:/run/one.grpc", "10.0.0.1:50051")
    assert read_settings().origins == ()
    assert read_settings(grpc_listen="unix:/x").server_addresses == ("unix:/x",)


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "app.example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://app.example.com?x",
        "https://App.example.com",
        "HTTPS://app.example.com",
        "https://user@app.example.com",
        "https://*.example.com",
        "https://app.example.com:443",
        "http://app.example.com:80",
        "https://app.example.com:",
        "https://app.example.com:0",
        "https://app.example.com:70000",
        "https://app.example.com:08443",
        "https://",
        "https://äpp.example.com",
        "ftp://app.example.com",
        "file://",
        "https://[::1",
        "https://[g::1]",
        "https://-app.example.com",
        "https://app.example.com https://other.example.com",
    ],
)
def test_an_origin_that_no_browser_sends_is_refused(origin: str) -> None:
    assert refused(allowed_origins=f"http://localhost:3000,{origin}").startswith(
        "RUSHES_ALLOWED_ORIGINS: use https://host"
    )


@pytest.mark.parametrize("address", ["nonsense", "host:", "unix:run", ":1", "host:x", "host:1/x"])
def test_a_server_address_that_nothing_listens_on_is_refused(address: str) -> None:
    assert refused(servers=address).startswith("RUSHES_SERVERS: use host:port")
