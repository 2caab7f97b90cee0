"""Valkey: which binary, and that it starts the way we want it."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import redis

from standalone import valkey
from tests.services import missing, wait_for


@pytest.fixture
def binary() -> Path:
    return valkey.find_valkey() or missing("Valkey 7 or newer")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for a socket, with a character that an address must quote."""
    with TemporaryDirectory(prefix="v %", dir="/tmp") as name:
        yield Path(name)


def fake_binary(folder: Path, name: str, version: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho 'Server v={version} sha=0'\n")
    path.chmod(0o700)
    return path


def test_it_writes_nothing_to_disk_and_refuses_to_forget(binary: Path, folder: Path) -> None:
    socket = folder / "valkey.sock"
    argv = valkey.valkey_argv(binary, folder, socket, shards=2)
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: asyncio.run(valkey.valkey_is_ready(socket)))
            with redis.Redis.from_url(valkey.valkey_url(socket), decode_responses=True) as client:
                names = ("appendonly", "maxmemory", "maxmemory-policy", "port", "save")
                config = client.config_get(*names)
        finally:
            process.terminate()

    assert [path.name for path in folder.iterdir()] == []
    assert config == {
        "appendonly": "no",
        "maxmemory": str(768 * 1024 * 1024),
        "maxmemory-policy": "noeviction",
        "port": "0",
        "save": "",
    }


def test_nobody_is_not_ready(folder: Path) -> None:
    assert not asyncio.run(valkey.valkey_is_ready(folder / "none"))


def test_one_on_the_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = fake_binary(tmp_path, "redis-server", "7.2.4")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    assert valkey.find_valkey() == mine


def test_an_old_one_on_the_path_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = fake_binary(tmp_path, "redis-server", "6.2.14")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")

    assert valkey.find_valkey() != old


def test_there_may_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    assert valkey.find_valkey() is None


def test_what_an_earlier_version_kept_on_disk_is_erased(folder: Path) -> None:
    (folder / "appendonlydir").mkdir()
    (folder / "appendonlydir" / "appendonly.aof.1.incr.aof").write_text("a prompt")

    valkey.erase_old(folder)
    valkey.erase_old(folder)

    assert not (folder / "appendonlydir").exists()
