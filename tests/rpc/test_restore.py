"""A backup of a running server, restored: what watchers saw since is not continued."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from admin.backup import back_up
from admin.restore import restore
from admin.site import Site
from core.process.settings import read_settings
from rushes.v1 import media_service_pb2 as pb
from tests.house import House, LoopThread, close_house, open_house
from tests.rpc.requests import video
from tests.services import Valkey


def until_synced(watch: Any) -> Iterator[pb.WatchEvent]:
    """The events of an open watch up to SYNCED."""
    for answer in watch:
        yield from answer.events
        if any(event.HasField("synced") for event in answer.events):
            watch.cancel()
            return


def test_a_token_from_before_a_restore_gets_a_reset_and_a_snapshot(
    house: House, house_loop: LoopThread, valkey: Valkey, tmp_path: Path
) -> None:
    # Given a backup, and a watcher who saw more than is in it
    alice = house.caller("alice")
    kept = alice.call("GenerateVideo", video()).job
    seen_before = alice.call("ListJobs", pb.ListJobsRequest()).resume_token
    back_up(Site(house.settings), tmp_path / "backup.tgz")
    alice.call("GenerateVideo", video())
    seen_after = alice.call("ListJobs", pb.ListJobsRequest()).resume_token

    # When it is restored, and as many jobs are made as there were
    settings = read_settings(data_dir=tmp_path / "other")
    restore(Site(settings), tmp_path / "backup.tgz", force=False)
    other = open_house(house_loop, settings.data_dir, valkey.url)
    try:
        alice = other.caller("alice")
        made = alice.call("GenerateVideo", video("another")).job

        # Then every older token is answered by RESET and what there is now
        for token in (seen_before, seen_after):
            watch = alice.stream(pb.WatchJobsRequest(resume_token=token))
            events = list(until_synced(watch))
            assert events[0].HasField("reset")
            jobs = [event.job.job.job_id for event in events if event.HasField("job")]
            assert jobs == [kept.job_id, made.job_id]
    finally:
        close_house(house_loop, other)
