"""The promises, under kill -9, SIGSTOP, FLUSHALL and a Valkey that is gone.

Every accepted job ends exactly once, and a watcher sees every revision once, in order.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rushes import Client
from rushes.errors import RushesError, Unavailable
from rushes.v1 import job_pb2
from tests.crash.installation import Installation, Witness, running
from tests.services import wait_for

pytestmark = [pytest.mark.crash_full, pytest.mark.timeout(180)]
Job = job_pb2.Job


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[Installation]:
    yield from running(Installation(tmp_path, database_url))


@pytest.fixture
def witness(client: Client) -> Witness:
    return Witness(client).begin()


def submit(client: Client, count: int, duration: int = 1) -> list[str]:
    return [
        client.generate_video("sea", duration=duration, resolution="360p").job_id
        for _ in range(count)
    ]


def submit_video(client: Client) -> str:
    return submit(client, 1)[0]


def submit_image(client: Client) -> str:
    return client.generate_image("boat", size="256x256").job_id


def wait_until_running(client: Client, job_id: str) -> None:
    wait_for(lambda: client.get_job(job_id).state == Job.RUNNING, f"{job_id} to run")


def expect_all_told(client: Client, witness: Witness, job_ids: list[str]) -> None:
    """Every job ended SUCCEEDED once, and the witness saw each revision once, in order."""
    wait_for(lambda: set(witness.ended) >= set(job_ids), "every end to be seen", 90)
    assert witness.ended == dict.fromkeys(job_ids, 1)
    assert witness.revisions == list(range(1, len(witness.revisions) + 1))
    assert witness.resets == 0
    jobs = {job.job_id: job for job in client.jobs()}
    assert all(jobs[job_id].state == Job.SUCCEEDED for job_id in job_ids)
    assert all(len(jobs[job_id].outputs) == 1 for job_id in job_ids)
    assert len(list(client.library())) == len(job_ids)


def test_a_killed_worker_loses_no_job(
    house: Installation, client: Client, witness: Witness
) -> None:
    [job_id] = submit(client, 1, duration=3)
    wait_until_running(client, job_id)
    for worker in house.workers:
        worker.kill()
    house.workers[0].start()

    expect_all_told(client, witness, [job_id])
    assert client.get_job(job_id).attempt == 2


def test_a_killed_server_loses_no_watcher(
    house: Installation, client: Client, witness: Witness
) -> None:
    job_ids = []
    for _ in range(3):
        job_ids += submit(client, 1)
        house.server.kill()
        house.server.start()
    expect_all_told(client, witness, job_ids)


def test_a_wiped_valkey_loses_nothing(
    house: Installation, client: Client, witness: Witness
) -> None:
    job_ids = submit(client, 6)
    for _ in range(10):
        house.valkey.flush()
        job_ids.append(submit_image(client))
    expect_all_told(client, witness, job_ids)


def test_a_killed_valkey_that_comes_back_empty_loses_nothing(
    house: Installation, client: Client, witness: Witness
) -> None:
    job_ids = submit(client, 3)
    house.valkey.kill()
    job_ids += submit(client, 2)
    house.valkey.start()
    job_ids += submit(client, 2)
    expect_all_told(client, witness, job_ids)


def test_without_valkey_jobs_still_run_and_are_told(
    house: Installation, client: Client, witness: Witness
) -> None:
    house.valkey.kill()
    job_ids = [*submit(client, 2), submit_image(client)]
    expect_all_told(client, witness, job_ids)


def test_a_cold_start_finishes_what_was_accepted(
    house: Installation, client: Client, witness: Witness
) -> None:
    job_ids = submit(client, 6)
    for process in house.processes:
        process.kill()
    house.valkey.kill()
    house.start()
    expect_all_told(client, witness, job_ids)


def test_a_frozen_worker_that_wakes_changes_nothing(
    house: Installation, client: Client, witness: Witness
) -> None:
    frozen, other = house.workers
    other.kill()
    [job_id] = submit(client, 1, duration=3)
    wait_until_running(client, job_id)
    frozen.freeze()
    other.start()
    wait_for(lambda: client.get_job(job_id).attempt == 2, "another run")
    frozen.thaw()
    expect_all_told(client, witness, [job_id])
    wait_for(lambda: client.get_job(job_id).revision == witness.revisions[-1], "no more news")


def test_a_worker_that_is_asked_to_stop_hands_its_job_on(
    house: Installation, client: Client, witness: Witness
) -> None:
    one, other = house.workers
    other.kill()
    [job_id] = submit(client, 1, duration=3)
    wait_until_running(client, job_id)
    assert one.stop() == 0
    other.start()
    expect_all_told(client, witness, [job_id])
    assert client.get_job(job_id).attempt == 1


def test_a_cancelled_job_ends_cancelled_though_its_worker_died(
    house: Installation, client: Client, witness: Witness
) -> None:
    [job_id] = submit(client, 1, duration=10)
    wait_until_running(client, job_id)
    for worker in house.workers:
        worker.kill()
    client.cancel(job_id)
    house.workers[0].start()
    wait_for(lambda: witness.ended.get(job_id), "the end", 60)
    assert client.get_job(job_id).state == Job.CANCELLED
    assert witness.revisions == list(range(1, len(witness.revisions) + 1))


def test_random_kills_freezes_and_wipes_break_no_promise(
    house: Installation, client: Client, witness: Witness
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    job_ids: list[str] = []
    begun, frozen = time.monotonic(), None
    while time.monotonic() - begun < 8:
        submit_one = submit_image if dice.random() < 0.7 else submit_video
        try:
            job_ids.append(submit_one(client))
        except Unavailable:
            # SQLite has one write lock; a process that is frozen in the middle of a write keeps it.
            assert frozen is not None
            frozen.thaw()
            job_ids.append(submit_one(client))
        if frozen is not None:
            frozen.thaw()
            frozen = None
        victim = dice.choice([*house.workers, *house.workers, house.server])
        what = dice.choice(["kill", "kill", "freeze", "flush"])
        if what == "kill":
            victim.kill()
            victim.start()
        elif what == "flush":
            house.valkey.flush()
        elif victim is not house.server:
            frozen = victim
            frozen.freeze()
        wait_for(lambda: _lists(client), "the server")
    if frozen is not None:
        frozen.thaw()
    expect_all_told(client, witness, job_ids)


def _lists(client: Client) -> bool:
    try:
        return bool(list(client.jobs(limit=1)))
    except RushesError:
        return False
