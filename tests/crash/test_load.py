"""The load's watchers: when they count as watching."""

from contextlib import closing
from pathlib import Path

from tests.crash.history import Recorder
from tests.crash.installation import Installation
from tests.crash.load import Load
from tests.services import wait_for


def test_everyone_watches_before_the_first_job(tmp_path: Path) -> None:
    house = Installation(tmp_path, f"sqlite:///{tmp_path / 'rushes.db'}", worker_count=0)
    with closing(house), closing(Recorder(tmp_path / "history.jsonl")) as recorder:
        # Given a server without jobs
        house.start()

        # When users watch and ask for nothing
        load = Load(recorder, house.async_client, seed=1, users=3, watchers=6, total=0)
        load.start()

        # Then each of them is heard of, before there is a token to come back with
        wait_for(lambda: all(watcher.heard for watcher in load.watchers), "all to watch")
        assert not any(watcher.token for watcher in load.watchers)
        load.close()
