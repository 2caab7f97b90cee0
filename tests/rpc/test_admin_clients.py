"""AdminService by the Python clients, against a real server."""

import asyncio

import pytest

import rushes
from core.store import submits, workers
from rushes.v1.admin_service_pb2 import Worker
from tests.house import House
from tests.making import begun, paid


def address(house: House) -> str:
    return f"localhost:{house.app.port}"


def operator(house: House) -> rushes.Client:
    return rushes.Client(address(house), token=house.token("operator", scope="admin"))


def test_the_client_pauses_queues_and_drains_workers(house: House) -> None:
    workers.beat(house.db, "w-a", ["video"], threads=4)
    with operator(house) as admin:
        assert admin.pause_queue("video", "We move.").pause_reason == "We move."
        [video] = [one for one in admin.queue_stats() if one.queue == "video"]
        assert (video.pause_reason, video.worker_count) == ("We move.", 1)
        assert not admin.resume_queue("video").HasField("pause_time")
        assert admin.drain_worker("w-a").state == Worker.DRAINING
        assert [one.worker_id for one in admin.workers()] == ["w-a"]


def test_the_client_sets_budgets_and_settles_submits(house: House) -> None:
    job_id = paid(house.db)
    assert submits.unknown(house.db, begun(house.db).run) is not None
    with operator(house) as admin:
        assert admin.set_budget("user", "day", "5.00", user_id="alice").limit.units == 5
        assert any(one.user_id == "alice" and one.limit.units == 5 for one in admin.budgets())
        assert [one.job_id for one in admin.unsettled_submits()] == [job_id]
        with pytest.raises(rushes.InvalidArgument, match="give one of"):
            admin.resolve_job(job_id)
        assert admin.resolve_job(job_id, charged=True).state == rushes.Job.FAILED
        assert list(admin.unsettled_submits()) == []


def test_the_asyncio_client_does_the_same_and_a_user_is_refused(house: House) -> None:
    async def ask() -> None:
        token = house.token("operator", scope="admin")
        async with rushes.AsyncClient(address(house), token=token) as admin:
            assert (await admin.pause_queue("image")).pause_reason == "paused by the operator"
        async with rushes.AsyncClient(address(house), token=house.token("alice")) as alice:
            with pytest.raises(rushes.NotAllowed):
                await alice.queue_stats()

    asyncio.run(ask())
