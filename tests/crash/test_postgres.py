"""PostgreSQL restarted, frozen, killed or unreachable: refusals in time, no paid call, no restart.

And a rolling restart of our own servers, which nobody notices.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from rushes import Client
from rushes.errors import RushesError
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from rushes.v1 import media_service_pb2_grpc as rpc
from tests.crash.faults import (
    ConnectionsTerminated,
    Fault,
    PostgresFrozen,
    PostgresKilled,
    PostgresRestarted,
    Spoiled,
)
from tests.crash.installation import Installation, Witness, running
from tests.crash.proxy import Network
from tests.house import Refusal, read_refusal
from tests.services import Postgres, wait_for

pytestmark = pytest.mark.timeout(120)
Job = job_pb2.Job

# What the issue promises: an answer within 5 s.
ANSWER_SECONDS = 5.0
MODEL = "simulator-image"


@pytest.fixture
def database(fragile_postgres: Postgres) -> Iterator[str]:
    name = fragile_postgres.new_database()
    yield name
    fragile_postgres.drop_database(name)


@pytest.fixture
def house(tmp_path: Path, fragile_postgres: Postgres, database: str) -> Iterator[Installation]:
    yield from running(Installation(tmp_path, fragile_postgres.url(database), network=Network()))


@pytest.fixture
def away(
    request: pytest.FixtureRequest, house: Installation, fragile_postgres: Postgres, database: str
) -> Iterator[list[Fault]]:
    """The faults of that name, healed at the end whatever happens."""
    faults = faults_of(request.param, house, fragile_postgres, database)
    yield faults
    for fault in faults:
        fault.heal()


def spoil_database(house: Installation, weather: str) -> list[Fault]:
    assert house.network is not None
    edges = house.network.edges
    return [Spoiled(edges[f"{p.name}-database"], weather) for p in house.processes]


def faults_of(name: str, house: Installation, postgres: Postgres, database: str) -> list[Fault]:
    if name in ("blackhole", "cut", "half_open"):
        return spoil_database(house, name)
    single: dict[str, Fault] = {
        "freeze": PostgresFrozen(postgres),
        "fast restart": PostgresRestarted(postgres),
        "immediate restart": PostgresRestarted(postgres, signal.SIGQUIT),
        "kill": PostgresKilled(postgres),
        "terminated connections": ConnectionsTerminated(postgres, database),
    }
    return [single[name]]


def also_in_full(first: str, *others: str) -> pytest.MarkDecorator:
    """The first in `make crash`, the others in `make crash-full` only."""
    full = [pytest.param(name, marks=pytest.mark.crash_full) for name in others]
    away = [pytest.param(first, marks=pytest.mark.crash), *full]
    return pytest.mark.parametrize("away", away, indirect=True)


class Prompt:
    """Calls that must be answered within 5 s, whatever the answer is."""

    def __init__(self, house: Installation) -> None:
        self._house = house
        self._channel = grpc.insecure_channel(house._fronts[0])
        self._stub = rpc.MediaServiceStub(self._channel)

    def close(self) -> None:
        self._channel.close()

    def refused(self, method: str, request: object) -> Refusal:
        token = self._house.token("alice")
        try:
            getattr(self._stub, method)(
                request, metadata=(("authorization", f"Bearer {token}"),), timeout=ANSWER_SECONDS
            )
        except grpc.RpcError as error:
            return read_refusal(error)
        raise AssertionError(f"{method} was not refused")


def image(prompt: str = "boat") -> pb.GenerateImageRequest:
    return pb.GenerateImageRequest(spec=job_pb2.ImageSpec(prompt=prompt, model=MODEL))


def calls(job_id: str) -> list[tuple[str, object]]:
    return [
        ("GenerateImage", image()),
        ("GetJob", pb.GetJobRequest(job_id=job_id)),
        ("ListJobs", pb.ListJobsRequest()),
        ("CancelJob", pb.CancelJobRequest(job_id=job_id)),
        ("ListMedia", pb.ListMediaRequest()),
    ]


def paid(house: Installation) -> list[str]:
    """The lines of the provider's ledger."""
    return house.ledger.read_text().splitlines() if house.ledger.exists() else []


def succeed(client: Client, job_ids: list[str]) -> None:
    for job_id in job_ids:
        wait_for(lambda job_id=job_id: client.get_job(job_id).state == Job.SUCCEEDED, job_id, 40)


@also_in_full("freeze", "blackhole", "cut", "kill")
def test_while_postgresql_is_away_calls_are_refused_in_time_and_nothing_is_paid_for(
    away: list[Fault], house: Installation, client: Client
) -> None:
    # Given jobs that run and jobs that wait
    job_ids = [client.generate_image("boat", model=MODEL).job_id for _ in range(8)]
    succeed(client, job_ids[:1])
    prompt = Prompt(house)
    pids = [process.running for process in house.processes]

    # When PostgreSQL is away, and more calls come than the server has threads
    for fault in away:
        fault.inflict()
    with ThreadPoolExecutor(40) as callers:
        asked = calls(job_ids[0]) * 8
        refusals = list(callers.map(lambda call: prompt.refused(*call), asked))
    before = paid(house)
    refusals += [prompt.refused(*call) for call in calls(job_ids[0])]

    # Then each is refused in time and told when to come back, and nothing new is paid for
    assert {(r.reason, r.code) for r in refusals} == {
        ("DEPENDENCY_UNAVAILABLE", grpc.StatusCode.UNAVAILABLE)
    }
    assert all(r.retry_seconds for r in refusals)
    assert paid(house) == before

    # And when it is back, everything goes on in the same processes, and each job is paid for once
    for fault in away:
        fault.heal()
    succeed(client, job_ids)
    prompt.close()
    assert [process.running for process in house.processes] == pids
    assert all(process.exit_code is None for process in house.processes)
    assert len(paid(house)) == len(set(paid(house)))


@also_in_full(
    "immediate restart",
    "fast restart",
    "kill",
    "terminated connections",
    "half_open",
)
def test_after_lost_connections_all_goes_on_without_a_restart_of_ours(
    away: list[Fault], house: Installation, client: Client
) -> None:
    witness = Witness(client).begin()
    job_ids = []
    for _ in range(3):
        job_ids += [client.generate_image("boat", model=MODEL).job_id]
        job_ids += [client.generate_image("boat").job_id]
        for fault in away:
            fault.inflict()
            fault.heal()
        wait_for(lambda: _answers(client), "the server to recover")
    succeed(client, job_ids)
    wait_for(lambda: set(witness.ended) >= set(job_ids), "every end to be seen")
    assert witness.revisions == list(range(1, len(witness.revisions) + 1))
    assert all(process.exit_code is None for process in house.processes)


def _answers(client: Client) -> bool:
    try:
        client.jobs(limit=1)
        return True
    except RushesError:
        return False


@pytest.mark.crash
def test_a_rolling_restart_loses_no_call_and_no_event(
    tmp_path: Path, fragile_postgres: Postgres, database: str
) -> None:
    house = Installation(
        tmp_path,
        fragile_postgres.url(database),
        server_count=2,
        behind_envoy=True,
        env={"RUSHES_DRAIN_CALL_SECONDS": "10"},
        fresh=True,
    )
    try:
        house.start()
        with house.client() as client, Submits(house) as submits:
            witness = Witness(client).begin()
            wait_for(lambda: _ready(house), "both servers to be used")
            wait_for(lambda: len(submits.job_ids) >= 5, "calls")
            for server in house.servers * 2:
                assert server.stop() == 0
                server.start()
                wait_for(lambda: _ready(house), "both servers to be used")
                more = len(submits.job_ids) + 5
                wait_for(lambda more=more: len(submits.job_ids) >= more, "calls")
            submits.stop()
            succeed(client, submits.job_ids)
            wait_for(lambda: set(witness.ended) >= set(submits.job_ids), "every end to be seen")
        assert submits.refused == []
        assert witness.revisions == list(range(1, len(witness.revisions) + 1))
        assert witness.resets == 0
    finally:
        house.close()


def _ready(house: Installation) -> bool:
    """Whether both servers answer, and Envoy knows: the next may go only then."""
    return house.answers() and house.healthy_behind_envoy() == len(house.servers)


class Submits:
    """A caller that submits again and again, each call once: the SDK's own retries are off."""

    def __init__(self, house: Installation) -> None:
        self.job_ids: list[str] = []
        self.refused: list[grpc.RpcError] = []
        self._house = house
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Submits":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        headers = (("authorization", f"Bearer {self._house.token('alice')}"),)
        with grpc.insecure_channel(self._house._fronts[0]) as channel:
            send: Callable[..., pb.GenerateImageResponse]
            send = rpc.MediaServiceStub(channel).GenerateImage
            request = image("boat")
            while not self._stopped.wait(0.02):
                try:
                    answer = send(request, metadata=headers, timeout=10)
                    self.job_ids.append(answer.job.job_id)
                except grpc.RpcError as error:
                    self.refused.append(error)
