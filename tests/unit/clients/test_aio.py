"""The asyncio client: the same promises, awaited."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from rushes import AsyncClient, errors, watch_protocol
from rushes.v1 import media_service_pb2 as pb
from tests.unit.clients.making import (
    CLIP,
    JOB_ID,
    a_clip,
    a_job,
    change,
    current,
    response,
    synced,
)
from tests.unit.clients.stand_in import (
    DEADLINE_SECONDS,
    Files,
    StandIn,
    refuse,
    runs_to,
    stays_open,
)

pytestmark = pytest.mark.asyncio
Code = grpc.StatusCode


@pytest_asyncio.fixture
async def client(server: StandIn) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(server.address, "token") as client:
        yield client


async def test_a_job_is_made_waited_for_and_fetched(
    client: AsyncClient, server: StandIn, files: Files, tmp_path: Path
) -> None:
    done = a_job("SUCCEEDED", outputs=[a_clip(files.put("clip", (200, CLIP)))])
    server.answers["GenerateVideo"] = pb.GenerateVideoResponse(job=a_job())
    server.watches = [runs_to(done)]
    job = await client.generate_video("sea", duration=2)
    job = await client.wait(job.job_id)
    await client.download(job.outputs[0], tmp_path / "waves.mp4")
    assert (tmp_path / "waves.mp4").read_bytes() == CLIP
    assert set(server.tokens) == {"token"}


async def test_a_watch_goes_on_where_it_was_cut(client: AsyncClient, server: StandIn) -> None:
    def cut(request, context):  # type: ignore[no-untyped-def]
        yield response(current(a_job()), synced(), token="t1")
        refuse(context, Code.UNAVAILABLE, "SERVER_DRAINING")

    last = response(change(a_job(revision=1)), change(a_job("SUCCEEDED", revision=2)), token="t2")
    server.watches = [cut, lambda request, context: iter([last])]
    async with client.watch(until_done=True) as events:
        seen = [event.revision async for event in events if event.HasField("job")]
    assert seen == [0, 2]
    assert events.resume_token == "t2"
    assert [r.resume_token for r in server.sent(pb.WatchJobsRequest)] == ["", "t1"]


async def test_a_silent_stream_is_opened_anew(
    client: AsyncClient, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_protocol, "CHECKPOINT_BOUNDS", (0.05, 60.0))
    server.watches = [stays_open(response(synced(), token="t1")), runs_to(a_job("SUCCEEDED"))]
    async with client.watch(until_done=True, checkpoint_interval=0.05) as events:
        assert [event.revision async for event in events if event.revision] == [2, 3]


async def test_leaving_the_block_cancels_the_call(client: AsyncClient, server: StandIn) -> None:
    server.watches = [stays_open(response(synced()))]
    async with client.watch() as events:
        await anext(events)
    assert await asyncio.to_thread(server.watch_over.wait, DEADLINE_SECONDS)


async def test_closing_the_client_ends_a_watch_of_another_task(
    client: AsyncClient, server: StandIn
) -> None:
    server.watches = [stays_open(response(synced()))]
    seen = asyncio.Event()

    async def follow() -> int:
        count = 0
        async for _ in client.watch():
            count += 1
            seen.set()
        return count

    async with asyncio.timeout(DEADLINE_SECONDS):
        task = asyncio.create_task(follow())
        await seen.wait()
        await client.close()
        assert await task == 1


async def test_a_cancelled_task_stays_cancelled_and_ends_the_call(
    client: AsyncClient, server: StandIn
) -> None:
    server.watches = [stays_open(response(synced()))]
    seen = asyncio.Event()

    async def follow() -> None:
        async for _ in client.watch():
            seen.set()

    async with asyncio.timeout(DEADLINE_SECONDS):
        task = asyncio.create_task(follow())
        await seen.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await asyncio.to_thread(server.watch_over.wait, DEADLINE_SECONDS)


async def test_waiting_has_a_time_limit(client: AsyncClient, server: StandIn) -> None:
    server.watches = [stays_open(response(current(a_job()), synced()))]
    with pytest.raises(errors.DeadlineExceeded):
        await client.wait(JOB_ID, timeout=0.1)


async def test_refusals_become_exceptions(client: AsyncClient, server: StandIn) -> None:
    server.answers["CancelJob"] = lambda _, context: refuse(
        context, Code.FAILED_PRECONDITION, "JOB_STATE_INVALID", "It has ended.", state="FAILED"
    )
    with pytest.raises(errors.PreconditionFailed, match="has ended") as caught:
        await client.cancel(JOB_ID)
    assert caught.value.metadata == {"state": "FAILED"}


async def test_an_outage_is_waited_out_with_the_same_request_id(
    client: AsyncClient, server: StandIn
) -> None:
    server.answers["GenerateImage"] = [
        lambda _, context: refuse(context, Code.UNAVAILABLE, "SERVER_DRAINING"),
        pb.GenerateImageResponse(job=a_job()),
    ]
    await client.generate_image("boat")
    first, second = server.sent(pb.GenerateImageRequest)
    assert first == second


async def test_lists_are_read_page_by_page(client: AsyncClient, server: StandIn) -> None:
    pages = [
        pb.ListJobsResponse(jobs=[a_job(job_id="a")], next_page_token="p2"),
        pb.ListJobsResponse(jobs=[a_job(job_id="b"), a_job(job_id="c")]),
    ]
    server.answers["ListJobs"] = pages
    assert [job.job_id async for job in client.jobs(limit=2)] == ["a", "b"]


async def test_a_token_may_come_from_a_coroutine(server: StandIn) -> None:
    async def token() -> str:
        return "fetched"

    server.answers["ListModels"] = pb.ListModelsResponse()
    async with AsyncClient(server.address, token) as client:
        assert await client.list_models() == []
    assert server.tokens == ["fetched"]


async def test_every_other_call_is_there(client: AsyncClient, server: StandIn) -> None:
    server.answers = {
        "GetJob": pb.GetJobResponse(job=a_job()),
        "RetryJob": pb.RetryJobResponse(job=a_job()),
        "ListJobEvents": pb.ListJobEventsResponse(events=[change(a_job())]),
        "EstimateCost": pb.EstimateCostResponse(),
        "GetMedia": pb.GetMediaResponse(media=a_clip("http://localhost/x")),
        "ListMedia": pb.ListMediaResponse(media=[a_clip()]),
        "UpdateMedia": pb.UpdateMediaResponse(media=a_clip()),
        "DeleteMedia": pb.DeleteMediaResponse(),
        "UndeleteMedia": pb.UndeleteMediaResponse(media=a_clip()),
        "BatchDeleteMedia": pb.BatchDeleteMediaResponse(),
    }
    assert (await client.get_job("a")).job_id == (await client.retry("a")).job_id == JOB_ID
    assert [event.revision async for event in client.job_events("a")] == [1]
    assert await client.estimate_cost(a_job().video) == []
    assert await client.get_media("m") and await client.update_media("m", starred=True)  # noqa: PT018
    assert [media.mime_type async for media in client.library(starred=True)] == ["video/mp4"]
    await client.delete_media("m")
    await client.batch_delete(["m"])
    assert await client.undelete_media("m")
