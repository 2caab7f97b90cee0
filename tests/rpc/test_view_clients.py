"""Views by the Python client and by the command line, against a real server."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rushes
from core.store import media
from core.store import views as view_store
from tests.house import House
from tests.making import new_media

DEADLINE_SECONDS = 60


def film(house: House) -> str:
    item = new_media(prompt="calm ocean waves")
    media.add(house.db, item)
    return item.media_id


def client(house: House) -> rushes.Client:
    return rushes.Client(f"localhost:{house.app.port}", token=house.token("alice"))


def test_the_client_applies_lists_and_clears_views(house: House) -> None:
    first, second = film(house), film(house)
    with client(house) as alice:
        alice.apply_view("card/1", first)
        applied = alice.apply_view("card/1", second, looping=False)
        alice.apply_view("desk", first)
        assert (applied.previous_media_id, applied.view.looping) == (first, False)
        assert alice.get_view("card/1", url_ttl=60).media.media_id == second
        assert [view.view for view in alice.views()] == ["card/1", "desk"]
        assert [view.view for view in alice.views("card/")] == ["card/1"]
        assert [view.view for view in alice.views(limit=1)] == ["card/1"]
        assert alice.clear_view("card/1").previous_media_id == second
        assert not alice.get_view("card/1").HasField("media")
        with pytest.raises(rushes.NotFound):
            alice.apply_view("desk", "00000000-0000-7000-8000-000000000000")
        job = alice.generate_video("waves", apply_to_view="desk", loop=True)
        assert (job.apply_to_view, job.video.loop) == ("desk", True)


def test_the_asyncio_client_does_the_same(house: House) -> None:
    item = film(house)

    async def use() -> list[str]:
        server = f"localhost:{house.app.port}"
        async with rushes.AsyncClient(server, token=house.token("alice")) as alice:
            await alice.apply_view("desk", item)
            names = [view.view async for view in alice.views()]
            await alice.clear_view("desk")
            assert not (await alice.get_view("desk")).HasField("media")
            return names

    assert asyncio.run(use()) == ["desk"]


def run(house: House, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    known = {name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")}
    ours = {
        "RUSHES_SERVER": f"localhost:{house.app.port}",
        "RUSHES_TOKEN": house.token("alice"),
        "PYTHONUTF8": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "rushes.cli", *arguments],
        cwd=folder,
        env=known | ours,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def test_the_command_line_applies_lists_and_clears_views(house: House, tmp_path: Path) -> None:
    first, second = film(house), film(house)
    run(house, tmp_path, "apply", "card/1", first)

    applied = run(house, tmp_path, "apply", "card/1", second, "--no-loop")
    assert applied.stdout == f"card/1 shows {second} (before: {first})\n"

    [line] = run(house, tmp_path, "views", "card/").stdout.splitlines()
    cells = line.split("\t")
    assert (cells[:3], cells[-1]) == (["card/1", second, "video"], "calm ocean waves")
    said = json.loads(run(house, tmp_path, "views", "--json").stdout)
    assert (said["view"], said["media"]["mediaId"]) == ("card/1", second)

    cleared = json.loads(run(house, tmp_path, "clear", "card/1", "--json").stdout)
    assert cleared["previousMediaId"] == second
    again = run(house, tmp_path, "clear", "card/1")
    assert (again.stdout, again.returncode) == ("card/1 shows nothing\n", 0)
    assert view_store.get(house.db, "alice", "card/1").media is None


def test_the_command_line_makes_loops_for_views(house: House, tmp_path: Path) -> None:
    words = ("generate", "video", "waves", "--loop", "--apply-to", "desk", "--validate-only")
    said = json.loads(run(house, tmp_path, *words, "--json").stdout)
    assert '"applyToView": "desk"' in json.dumps(said)
    assert '"loop": true' in json.dumps(said)

    for refused, names in (
        (("generate", "video", "waves", "--apply-to", "a b", "--validate-only"), "--apply-to"),
        (("clear", "a b"), "VIEW"),
        (("views", "a b"), "PREFIX"),
    ):
        done = run(house, tmp_path, *refused)
        assert done.returncode != 0
        assert names in done.stderr
