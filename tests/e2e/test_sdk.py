"""The Python client, both kinds of it, against the real thing."""

import hashlib
from pathlib import Path

import pytest

from rushes import Client, InvalidRequest, JobCancelled, NotFound, WatchEvent
from rushes.v1 import job_pb2
from tests.e2e.running import Running

Job = job_pb2.Job


def test_an_image_is_made_downloaded_and_kept(client: Client, tmp_path: Path) -> None:
    job = client.generate_image("a paper boat", size="256x256", labels={"project": "sea"})
    [media] = client.wait(job.job_id).outputs
    path = tmp_path / "boat.png"
    client.download(media, path)

    assert hashlib.sha256(path.read_bytes()).hexdigest() == media.sha256
    assert [j.job_id for j in client.jobs(labels={"project": "sea"})] == [job.job_id]
    assert [m.media_id for m in client.library(labels={"project": "sea"})] == [media.media_id]

    client.delete_media(media.media_id)
    assert list(client.library()) == []
    assert [m.media_id for m in client.library(deleted=True)] == [media.media_id]

    client.undelete_media(media.media_id)
    assert [m.media_id for m in client.library()] == [media.media_id]


def test_two_devices_see_the_same_changes(run: Running, client: Client, user: str) -> None:
    with run.client(user) as other:
        watches = [client.watch(), other.watch()]
        for watch in watches:
            assert next(event for event in watch if event.HasField("synced"))
        job_id = client.generate_video("sea", duration=1, resolution="360p").job_id
        seen = [changes_until_end(watch) for watch in watches]

    assert seen[0] == seen[1]
    assert [revision for revision, _, _ in seen[0]] == [1, 2, 3]
    assert {j for _, j, _ in seen[0]} == {job_id}
    assert seen[0][-1][2] == Job.SUCCEEDED


def changes_until_end(watch) -> list[tuple[int, str, int]]:  # type: ignore[no-untyped-def]
    """Revision, job and state of every change up to the first end of a job."""
    found = []
    for event in watch:
        if event.HasField("job"):
            job = event.job.job
            found.append((event.revision, job.job_id, job.state))
            if job.HasField("end_time"):
                watch.close()
                return found
    raise AssertionError("the watch ended by itself")


def test_progress_is_seen_while_the_job_can_still_be_cancelled(client: Client) -> None:
    job_id = client.generate_video("sea", duration=10).job_id

    def cancel_once_it_renders(event: WatchEvent) -> None:
        if event.progress.progress.percent:
            client.cancel(job_id, "enough")

    with pytest.raises(JobCancelled):
        client.wait(job_id, cancel_once_it_renders)
    assert client.get_job(job_id).cancel_reason == "enough"


def test_the_same_request_id_makes_one_job(client: Client) -> None:
    jobs = [
        client.generate_image("a paper boat", size="256x256", request_id="boat-1") for _ in range(2)
    ]

    assert jobs[0].job_id == jobs[1].job_id


def test_errors_are_exceptions_that_name_the_field(client: Client) -> None:
    with pytest.raises(InvalidRequest) as caught:
        client.generate_video("sea", resolution="9999p")
    assert [field for field, _ in caught.value.violations] == ["spec.resolution"]

    with pytest.raises(NotFound):
        client.get_job("01a1f972-0ca4-73b4-9c69-209cd3af9dc8")


@pytest.mark.asyncio
async def test_the_async_client_does_the_same(run: Running, user: str, tmp_path: Path) -> None:
    path = tmp_path / "sea.mp4"
    percents: list[int] = []

    async with run.async_client(user) as client:
        job = await client.generate_video("sea", duration=1, resolution="360p")
        done = await client.wait(
            job.job_id, lambda event: percents.append(event.progress.progress.percent)
        )
        [media] = done.outputs
        await client.download(media, path)
        listed = [item.media_id async for item in client.library()]
        await client.delete_media(media.media_id)
        left = [item.media_id async for item in client.library()]
        await client.undelete_media(media.media_id)
        back = [item.media_id async for item in client.library()]

    assert done.state == Job.SUCCEEDED
    assert any(0 < percent < 100 for percent in percents)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == media.sha256
    assert listed == back == [media.media_id]
    assert left == []
