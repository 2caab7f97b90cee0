"""`rushes doctor` on a real SQLite and a real Valkey, healthy, and with each thing broken once."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from admin import doctor
from admin.doctor import CHECKS, examine, machine
from admin.doctor import database as of_database
from core.blobs import open_blobs
from core.catalog import models as catalog
from core.errors import StorageFull
from core.process.settings import Settings
from core.store import circuits, media, submits, workers
from core.store.engine.sql import Statement
from tests.making import accepted, begun, new_media, paid
from tests.ports import free_port
from tests.services import Valkey
from tests.unit.admin.installed import Installation, NotReady, an_edge


def test_a_healthy_installation_is_ok_in_every_line(
    well: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.run(well.settings.data_dir, well.state, False) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["ok", name] for name in ("settings", *CHECKS)]


def test_it_leaves_nothing_behind(well: Installation) -> None:
    def files() -> set[Path]:
        return {path for path in well.settings.data_dir.rglob("*") if path.is_file()}

    before = files()
    well.findings()

    assert files() == before


def test_as_json_it_is_one_object_and_the_exit_code_is_the_same(
    well: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    well.state["address"] = "http://127.0.0.1:1"

    assert doctor.run(well.settings.data_dir, well.state, True) == 1

    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert {c["check"]: c["ok"] for c in told["checks"]} == {
        **dict.fromkeys(("settings", *CHECKS), True),
        "edge": False,
    }


def test_a_folder_without_anything_says_what_to_do_and_gets_nothing(tmp_path: Path) -> None:
    empty = tmp_path / "empty"

    found = {finding.check: finding for finding in examine(empty, None)}

    assert not found["database"].ok
    assert "make up" in found["database"].text
    assert found["workers"].text == "not known until the database is in order"
    assert found["keys"].text.startswith(f"there is no {empty}")
    assert not found["blobs"].ok
    assert not empty.exists()


def test_the_settings_of_the_run_count_not_those_of_the_shell(
    well: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("RUSHES_REDIS_URL", "redis://127.0.0.1:1")

    assert well.ailing() == {}


def test_a_secret_that_the_run_keeps_must_be_given(
    well: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    well.state["withheld"] = ["RUSHES_DATABASE_URL"]
    assert "set RUSHES_DATABASE_URL" in well.only("settings")

    monkeypatch.setenv("RUSHES_DATABASE_URL", "postgresql://me:canary@127.0.0.1:1/none")
    ailing = well.ailing()
    assert "settings" not in ailing
    assert "can't be reached" in ailing["database"]
    assert "canary" not in json.dumps(ailing)


def test_settings_that_make_no_sense_are_the_only_line(well: Installation) -> None:
    well.set(log_level="loud")

    assert list(well.findings()) == ["settings"]
    assert "RUSHES_LOG_LEVEL" in well.only("settings")


def test_a_full_disk(well: Installation) -> None:
    well.set(min_free_megabytes=10**9)

    assert "free some space" in well.only("disk")


@pytest.mark.parametrize("name", ["signing.key", "jwt.key"])
@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (None, 0o600, "there is no"),
        ("00" * 32, 0o644, "chmod 600"),
        ("00" * 31, 0o600, "32 bytes"),
        ("secret", 0o600, "as a key in hex"),
    ],
)
def test_a_key_that_is_not_in_order(
    well: Installation, name: str, content: str | None, mode: int, said: str
) -> None:
    file = well.settings.data_dir / "keys" / name
    file.unlink()
    if content is not None:
        file.write_text(content)
        file.chmod(mode)

    ailing = well.ailing()

    assert said in ailing.pop("keys")
    # Without it nothing can be signed.
    assert ailing.keys() <= {"blobs"}
    assert content is not None or not file.exists()


def test_with_keys_of_an_identity_provider_no_own_one_is_needed(well: Installation) -> None:
    (well.settings.data_dir / "keys" / "jwt.key").unlink()
    well.set(jwt_jwks_url="https://id.example.com/keys")

    assert well.ailing() == {}


def test_a_catalog_that_can_not_be_read_and_one_with_an_unknown_provider(
    well: Installation, tmp_path: Path
) -> None:
    models = tmp_path / "models.toml"
    well.set(models_file=models)
    assert str(models) in well.only("models")

    packaged = catalog.models_path(None).read_text()
    models.write_text(packaged.replace('provider = "builtin"', 'provider = "elsewhere"'))
    assert "builtin-video.provider: must be one of builtin" in well.only("models")


def test_models_of_a_provider_that_is_off_are_no_fault(well: Installation) -> None:
    assert "simulator needs RUSHES_SIMULATOR" in well.findings()["models"].text

    well.set(simulator=True)
    assert "simulator" not in well.findings()["models"].text


def test_a_model_without_a_price(well: Installation, tmp_path: Path) -> None:
    lines = catalog.models_path(None).read_text().splitlines()
    priced = next(number for number, line in enumerate(lines) if line.startswith("prices ="))
    models = tmp_path / "models.toml"
    models.write_text("\n".join(lines[:priced] + lines[priced + 1 :]))
    well.set(models_file=models)

    assert "builtin-video can't be run without a price" in well.only("models")


def test_a_model_that_is_run_by_name_only_may_lack_its_price(
    well: Installation, tmp_path: Path
) -> None:
    # Given the packaged models, of which one of OpenAI's has no price
    well.set(openai_api_key="k")
    assert well.ailing() == {}

    # When it could be taken for a request that names none
    models = tmp_path / "models.toml"
    lines = catalog.models_path(None).read_text().splitlines()
    models.write_text("\n".join(line for line in lines if line != "by_name_only = true"))
    well.set(models_file=models, openai_api_key="k")

    # Then that is a fault
    assert "gpt-image-2.6-flare can't be run without a price" in well.only("models")


def test_a_file_of_prompt_templates_that_is_wrong(well: Installation, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.toml"
    prompts.write_text("[styles.a]")
    well.set(prompts_file=prompts)
    assert f"{prompts}: styles is none of" in well.only("models")


def test_a_database_of_another_version(well: Installation) -> None:
    history = "UPDATE schema_migration SET name = :new WHERE name = :old"
    rename = Statement(history)
    well.db.write(lambda s: s.run(rename, new="0999_later", old="0001_initial"))
    assert "newer version" in well.ailing()["database"]

    forget = Statement("DELETE FROM schema_migration WHERE name = :name")
    well.db.write(lambda s: s.run(rename, new="0001_initial", old="0999_later"))
    well.db.write(lambda s: s.run(forget, name="0001_initial"))
    ailing = well.ailing()
    assert "0001_initial did not run yet" in ailing["database"]
    assert ailing["circuits"] == "not known until the database is in order"


def test_a_database_that_is_none(well: Installation, tmp_path: Path) -> None:
    file = tmp_path / "rushes.db"
    well.set(database_url=f"sqlite:///{file}")
    assert "there is no" in well.ailing()["database"]

    file.write_text("this is no database " * 100)
    assert not well.findings()["database"].ok
    well.set(database_url="mysql://x")
    assert "RUSHES_DATABASE_URL" in well.ailing()["database"]


def test_a_job_in_a_queue_that_no_model_has_any_more(well: Installation) -> None:
    accepted(well.db, queue="slow-1")
    assert "nobody serves slow-1 (1 jobs wait)" in well.only("workers")


def test_a_queue_of_a_model_that_nobody_serves(well: Installation, tmp_path: Path) -> None:
    models = tmp_path / "models.toml"
    packaged = catalog.models_path(None).read_text()
    models.write_text(packaged.replace("[builtin-video]", '[builtin-video]\nqueue = "slow-1"', 1))
    well.set(models_file=models)
    assert "nobody serves slow-1 (0 jobs wait)" in well.only("workers")


def test_a_clock_that_differs_from_the_databases(
    well: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_database, "CLOCK_MS", -1)

    assert "NTP" in well.only("clock")


def test_a_clock_that_was_set_back(well: Installation) -> None:
    later = Statement("UPDATE worker SET heartbeat_time = heartbeat_time + 60000")
    well.db.write(lambda session: session.run(later))

    assert "set back" in well.only("clock")


def test_a_valkey_that_does_not_answer(well: Installation) -> None:
    well.set(redis_url=f"redis://127.0.0.1:{free_port()}")

    assert "jobs and watches are slower" in well.only("stream")


def test_a_valkey_that_forgets(well: Installation, valkey: Valkey) -> None:
    with redis.Redis(unix_socket_path=str(valkey.socket)) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert "set noeviction" in well.only("stream")
        finally:
            client.config_set("maxmemory-policy", "noeviction")


def test_a_redis_that_is_too_old(well: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    old = {"redis_version": "6.2.14", "maxmemory_policy": "noeviction"}
    monkeypatch.setattr(redis.Redis, "info", lambda _: old)

    assert "Redis 6.2.14 is too old" in well.only("stream")


def broken_blobs(monkeypatch: pytest.MonkeyPatch, method: str, broken: Callable[..., Any]) -> None:
    def opened(settings: Settings, key: bytes) -> Any:
        store = open_blobs(settings, key)
        monkeypatch.setattr(type(store), method, broken)
        return store

    monkeypatch.setattr(doctor.blobs, "open_blobs", opened)


def full(*_: object) -> None:
    raise StorageFull


def test_blobs_that_can_not_be_stored(well: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_blobs(monkeypatch, "put_bytes", full)

    assert "there is no room" in well.only("blobs")


def test_blobs_that_come_back_otherwise(
    well: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_blobs(monkeypatch, "read", lambda *_: b"other")

    assert "is the disk sound" in well.only("blobs")


def test_blobs_that_can_not_be_signed(well: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/blob"
    broken_blobs(monkeypatch, "url", lambda *_, **__: nowhere)

    assert "a signed address does not open" in well.only("blobs")


def test_blobs_that_can_not_be_erased(well: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_blobs(monkeypatch, "delete", lambda *_: None)

    assert "still there" in well.only("blobs")


def test_an_object_store_that_can_not_be_reached(
    well: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    well.set(blob_url="s3://none")

    assert "AWS_*" in well.only("blobs")


def test_a_queue_that_nobody_serves(well: Installation) -> None:
    workers.leave(well.db, "worker")
    workers.beat(well.db, "other", ["image"])
    accepted(well.db)

    assert well.only("workers").startswith("nobody serves video (1 jobs wait)")


def test_a_provider_that_is_left_alone(well: Installation) -> None:
    circuits.failed(well.db, "simulator", 1, 60_000)

    assert "simulator until " in well.only("circuits")


def test_a_job_that_waits_for_an_administrator(well: Installation) -> None:
    paid(well.db)
    submits.unknown(well.db, begun(well.db).run)

    assert "rushes-admin reconcile list" in well.only("reconciling")


def test_jobs_of_which_something_else_is_kept_than_they_say(well: Installation) -> None:
    accepted(well.db)
    forget = Statement("DELETE FROM flow")
    well.db.write(lambda session: session.run(forget))

    assert well.only("flows").startswith("of 1 users something else is kept")


def test_usage_that_is_not_what_jobs_say(well: Installation) -> None:
    accepted(well.db)
    forget = Statement("DELETE FROM usage_day")
    well.db.write(lambda session: session.run(forget))

    assert well.only("usage").startswith("of 1 users the usage is not what")


def test_an_edge_that_is_gone_or_has_no_server(well: Installation) -> None:
    with an_edge(NotReady) as address:
        well.state["address"] = address
        assert "says 503" in well.only("edge")

    assert f"nobody answers at {address}" in well.only("edge")


def test_a_run_without_an_edge_has_its_port(well: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = f"127.0.0.1:{listener.getsockname()[1]}"
        well.state |= {"edge": False, "server": server}
        assert well.ailing() == {}

    assert server in well.only("edge")


def test_a_check_that_breaks_does_not_hide_the_others(
    well: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("the secret")

    monkeypatch.setattr(machine.shutil, "disk_usage", broken)

    assert well.only("disk") == "this check itself failed (ZeroDivisionError)"


def test_it_says_how_many_users_keep_as_much_as_they_may(well: Installation) -> None:
    media.add(well.db, new_media("alice", size_bytes=2 * 1024 * 1024))
    assert "any amount" in well.findings()["storage"].text

    well.set(user_storage_megabytes=2)

    assert well.findings()["storage"].text.startswith("each user may keep 2 MiB; 1 keep as much")
