"""One call that submits, waits and fetches, and the handle of a job."""

from pathlib import Path

import pytest

from rushes import AsyncClient, Client, JobHandle, RushesWarning, errors
from rushes.v1 import media_service_pb2 as pb
from tests.unit.clients.making import (
    CLIP,
    JOB_ID,
    MEDIA_ID,
    a_clip,
    a_job,
    current,
    progress,
    response,
    synced,
)
from tests.unit.clients.stand_in import Files, StandIn, runs_to, stays_open


def makes(server: StandIn, files: Files, outputs: int = 1, **answer: object) -> None:
    """The server takes every job, and makes that many clips of it."""
    url = files.put("clip", (200, CLIP))
    clips = [a_clip(url, media_id=MEDIA_ID[:-1] + str(number)) for number in range(outputs)]
    server.answers["GenerateVideo"] = pb.GenerateVideoResponse(job=a_job(), **answer)  # type: ignore[arg-type]
    server.answers["GenerateImage"] = pb.GenerateImageResponse(job=a_job(), **answer)  # type: ignore[arg-type]
    server.watches = [runs_to(a_job("SUCCEEDED", outputs=clips), progress(50))]


def test_one_call_submits_waits_and_saves(server: StandIn, files: Files, tmp_path: Path) -> None:
    makes(server, files)
    seen: list[int] = []
    with Client(server.address) as client:
        result = client.run_video(
            "sea",
            duration=2,
            out=tmp_path / "waves.mp4",
            on_event=lambda event: seen.append(event.progress.progress.percent),
        )
    assert result.paths == [tmp_path / "waves.mp4"]
    assert result.paths[0].read_bytes() == CLIP
    assert result.job.outputs
    assert 50 in seen


def test_without_a_place_nothing_is_saved(server: StandIn, files: Files) -> None:
    makes(server, files)
    with Client(server.address) as client:
        result = client.run_image("boat", quality="draft")
    assert (result.job.job_id, result.paths, files.asked) == (JOB_ID, [], [])


def test_a_place_that_is_missing_is_found_before_the_job_is_made(
    server: StandIn, tmp_path: Path
) -> None:
    with Client(server.address) as client, pytest.raises(FileNotFoundError, match="nowhere"):
        client.run_video("sea", out=tmp_path / "nowhere" / "waves.mp4")
    assert server.requests == []


def test_a_run_that_would_make_no_job_is_refused(server: StandIn) -> None:
    with Client(server.address) as client, pytest.raises(ValueError, match="validate_only"):
        client.run_image("sea", validate_only=True)
    assert server.requests == []


def test_a_run_passes_the_servers_warnings_on(server: StandIn, files: Files) -> None:
    makes(server, files, warnings=["retired soon"])
    with Client(server.address) as client, pytest.warns(RushesWarning, match="retired soon"):
        client.run_video("sea")


def test_a_handle_knows_how_its_submit_was_answered(server: StandIn, files: Files) -> None:
    makes(server, files, deduplicated=True, warnings=["retired soon"])
    with Client(server.address) as client:
        handle = client.submit_video("sea", request_id="mine")
    assert (handle.job_id, handle.deduplicated, handle.warnings) == (
        JOB_ID,
        True,
        ("retired soon",),
    )


def test_a_handle_is_watched_to_its_jobs_end(server: StandIn, files: Files) -> None:
    makes(server, files)
    with Client(server.address) as client, client.submit_image("boat").watch() as events:
        assert [event.revision for event in events if event.revision] == [2, 3]
    [request] = server.sent(pb.WatchJobsRequest)
    assert (list(request.job_ids), request.until_done) == ([JOB_ID], True)


def test_a_handle_waits_before_it_saves_all_outputs(
    server: StandIn, files: Files, tmp_path: Path
) -> None:
    makes(server, files, outputs=2)
    with Client(server.address) as client:
        handle = client.submit_video("sea", output_count=2)
        paths = handle.download(tmp_path / "waves.mp4")
    assert [path.name for path in paths] == ["waves-1.mp4", "waves-2.mp4"]
    assert all(path.read_bytes() == CLIP for path in paths)
    assert len(handle.job.outputs) == 2


def test_a_handle_of_an_earlier_job_looks_cancels_and_follows_its_retry(server: StandIn) -> None:
    server.answers["GetJob"] = [
        pb.GetJobResponse(job=a_job("QUEUED")),
        pb.GetJobResponse(job=a_job("RUNNING", revision=2)),
    ]
    server.answers["CancelJob"] = pb.CancelJobResponse(job=a_job("CANCELLED", revision=3))
    server.answers["RetryJob"] = pb.RetryJobResponse(job=a_job(), deduplicated=True)
    with Client(server.address) as client:
        handle = client.job_handle(JOB_ID)
        assert isinstance(handle, JobHandle)
        assert handle.refresh().revision == handle.job.revision == 2
        assert handle.cancel("enough", only_if_free=True).revision == handle.job.revision == 3
        assert client.submit_retry(JOB_ID, request_id="again").deduplicated
    assert server.sent(pb.CancelJobRequest)[0].only_if_free


def test_a_wait_that_is_too_long_names_the_job_that_goes_on(server: StandIn, files: Files) -> None:
    makes(server, files)
    server.watches = [stays_open(response(current(a_job("RUNNING")), synced()))]
    with (
        Client(server.address) as client,
        pytest.raises(errors.DeadlineExceeded, match=f"{JOB_ID} has not ended within 1e-06 s"),
    ):
        client.run_video("sea", timeout=0.000001)


@pytest.mark.asyncio
async def test_the_asyncio_client_does_the_same(
    server: StandIn, files: Files, tmp_path: Path
) -> None:
    makes(server, files)
    async with AsyncClient(server.address) as client:
        result = await client.run_video("sea", out=tmp_path)
        handle = await client.submit_image("boat")
        done = await handle.wait()
    assert result.paths[0].read_bytes() == CLIP
    assert done.job_id == handle.job.job_id == JOB_ID
