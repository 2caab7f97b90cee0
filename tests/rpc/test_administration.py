"""AdminService: queues, workers, submits that are unsettled, budgets, and the jobs of all users."""

import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.type.money_pb2 import Money
from grpc import StatusCode as Code

from core.ids import new_id
from core.store import claims, submits, transitions, workers
from rushes.v1 import admin_service_pb2 as pb
from rushes.v1 import budget_pb2, job_pb2
from rushes.v1 import media_service_pb2 as media_pb
from tests.house import Caller, House
from tests.making import begun, new_media, paid, started
from tests.rpc.requests import video
from tests.services import wait_for

METHODS = (
    "ListUnsettledSubmits",
    "ResolveJob",
    "ListWorkers",
    "DrainWorker",
    "GetQueueStats",
    "PauseQueue",
    "ResumeQueue",
    "ListBudgets",
    "SetBudget",
)


def operator(house: House) -> Caller:
    """A caller with the scope of administrators."""
    return house.caller_with(f"Bearer {house.token('operator', scope='admin')}")


def ask(house: House, method: str, **fields: Any) -> Any:
    request = getattr(pb, f"{method}Request")(**fields)
    return operator(house).call(method, request)


def refused(house: House, method: str, **fields: Any) -> Any:
    request = getattr(pb, f"{method}Request")(**fields)
    return operator(house).refused(method, request)


def generate(house: House, user_id: str = "alice", prompt: str = "waves") -> str:
    return str(house.caller(user_id).call("GenerateVideo", video(prompt)).job.job_id)


def money(micros: int) -> Money:
    return Money(currency_code="USD", units=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


class WatchAll:
    """An open watch over all users, read in a thread of its own."""

    def __init__(self, house: House, **request: Any) -> None:
        self.call = operator(house).open("WatchAllJobs", pb.WatchAllJobsRequest(**request))
        self.responses: list[pb.WatchAllJobsResponse] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for response in self.call:
                self.responses.append(response)
        except grpc.RpcError:
            return

    @property
    def events(self) -> list[media_pb.WatchEvent]:
        return [event for response in self.responses for event in response.events]

    def until(self, test: Callable[[list[media_pb.WatchEvent]], bool]) -> None:
        wait_for(lambda: test(self.events), "what the watch brings")

    def synced(self) -> None:
        self.until(lambda events: any(event.HasField("synced") for event in events))

    def jobs(self) -> list[tuple[str, str, str]]:
        """Type, user and id of each job event, in order."""
        name = media_pb.JobEvent.Type.Name
        return [
            (name(e.job.type), e.job.job.user_id, e.job.job.job_id)
            for e in self.events
            if e.HasField("job")
        ]

    def close(self) -> None:
        self.call.cancel()


@pytest.mark.parametrize("method", METHODS)
def test_a_user_may_do_none_of_it_and_is_told_nothing(house: House, method: str) -> None:
    request = getattr(pb, f"{method}Request")()
    refusal = house.caller("alice").refused(method, request)
    assert (refusal.code, refusal.reason) == (Code.PERMISSION_DENIED, "SCOPE_MISSING")
    assert refusal.fields == ()


def test_a_paused_queue_accepts_and_starts_nothing_until_it_is_resumed(house: House) -> None:
    # Given a queue that is paused, twice
    for reason in ("", "We move to faster machines."):
        paused = ask(house, "PauseQueue", queue="video", reason=reason).queue
    assert paused.pause_reason == "We move to faster machines."
    assert paused.HasField("pause_time")

    # Then jobs are accepted and wait, and users are told why
    job_id = generate(house)
    job = house.caller("alice").call("GetJob", media_pb.GetJobRequest(job_id=job_id)).job
    assert "faster machines" in job.queue.blocked_reason
    assert claims.claim(house.db, "video", "w", 60_000, user_concurrency=4) is None
    [stats] = [q for q in ask(house, "GetQueueStats").queues if q.queue == "video"]
    assert (stats.queued_count, stats.running_count) == (1, 0)

    # And once it is resumed, twice, they start
    for _ in range(2):
        assert not ask(house, "ResumeQueue", queue="video").queue.HasField("pause_time")
    assert claims.claim(house.db, "video", "w", 60_000, user_concurrency=4) is not None


def test_a_pause_without_words_says_that_the_operator_paused(house: House) -> None:
    paused = ask(house, "PauseQueue", queue="image").queue
    assert paused.pause_reason == "paused by the operator"


@pytest.mark.parametrize(
    ("method", "fields", "wrong"),
    [
        ("PauseQueue", {"queue": ""}, "queue"),
        ("PauseQueue", {"queue": "video", "reason": "x" * 201}, "reason"),
        ("ResumeQueue", {"queue": ""}, "queue"),
        ("DrainWorker", {"worker_id": ""}, "worker_id"),
        ("ResolveJob", {"job_id": "x", "operation": "op"}, "job_id"),
        ("ResolveJob", {"job_id": new_id()}, "verdict"),
        ("SetBudget", {"period": "DAY"}, "owner"),
        ("SetBudget", {"owner": "USER", "period": "DAY"}, "user_id"),
        ("SetBudget", {"owner": "EACH_USER", "period": "DAY", "user_id": "a"}, "user_id"),
        ("SetBudget", {"owner": "EACH_USER"}, "period"),
        ("ListBudgets", {"page_size": -1}, "page_size"),
        ("ListUnsettledSubmits", {"page_size": -1}, "page_size"),
    ],
)
def test_what_is_wrong_is_named(
    house: House, method: str, fields: dict[str, Any], wrong: str
) -> None:
    refusal = refused(house, method, **fields)
    assert (refusal.code, refusal.fields) == (Code.INVALID_ARGUMENT, (wrong,))


def test_what_is_not_there_is_not_found(house: House) -> None:
    for method, fields in (
        ("PauseQueue", {"queue": "no-such"}),
        ("ResumeQueue", {"queue": "no-such"}),
        ("DrainWorker", {"worker_id": "no-such"}),
        ("ResolveJob", {"job_id": new_id(), "not_charged": {}}),
    ):
        assert refused(house, method, **fields).code == Code.NOT_FOUND, method


def test_workers_are_listed_and_drained(house: House) -> None:
    for name in ("w-b", "w-a"):
        workers.beat(house.db, name, ["video", "image"], threads=4, running=2, version="1.2")
    found = ask(house, "ListWorkers").workers
    assert [one.worker_id for one in found] == ["w-a", "w-b"]
    assert (found[0].state, found[0].threads, found[0].running_count) == (pb.Worker.ACTIVE, 4, 2)
    assert (list(found[0].queues), found[0].version) == (["video", "image"], "1.2")

    for _ in range(2):
        assert ask(house, "DrainWorker", worker_id="w-a").worker.state == pb.Worker.DRAINING
    assert workers.shall_end(house.db, "w-a")
    assert not workers.shall_end(house.db, "w-b")


def test_budgets_are_set_listed_and_taken_away(house: House) -> None:
    made = ask(
        house, "SetBudget", owner="USER", user_id="alice", period="DAY", limit=money(5_000_000)
    ).budget
    assert (made.owner, made.user_id) == (budget_pb2.Budget.USER, "alice")
    assert made.limit == money(5_000_000)
    ask(house, "SetBudget", owner="EACH_USER", period="MONTH", limit=money(7_000_000))

    first = ask(house, "ListBudgets", page_size=1)
    second = ask(house, "ListBudgets", page_size=100, page_token=first.next_page_token)
    limits = {one.limit.units for page in (first, second) for one in page.budgets}
    assert limits >= {5, 7}
    assert len(first.budgets) == 1

    ask(house, "SetBudget", owner="USER", user_id="alice", period="DAY")
    left = [one for one in ask(house, "ListBudgets").budgets if one.user_id == "alice"]
    assert not any(one.limit.units == 5 for one in left)


def test_nothing_unsettled_is_an_empty_list_and_nothing_to_resolve(house: House) -> None:
    assert len(ask(house, "ListUnsettledSubmits").submits) == 0
    refusal = refused(house, "ResolveJob", job_id=generate(house), charged={})
    assert (refusal.code, refusal.reason) == (Code.FAILED_PRECONDITION, "JOB_STATE_INVALID")


@pytest.mark.parametrize(
    ("verdict", "state", "cost"),
    [
        ({"operation": "op-7"}, job_pb2.Job.RUNNING, job_pb2.Cost.RESERVED),
        ({"charged": {}}, job_pb2.Job.FAILED, job_pb2.Cost.CHARGED),
        ({"not_charged": {}}, job_pb2.Job.RUNNING, job_pb2.Cost.RESERVED),
    ],
)
def test_a_submit_of_unknown_outcome_is_listed_until_somebody_says_what_was_found(
    house: House, verdict: dict[str, Any], state: int, cost: int
) -> None:
    # Given a submit of which nobody knows what came
    job_id = paid(house.db)
    assert submits.unknown(house.db, begun(house.db).run) is not None
    [found] = ask(house, "ListUnsettledSubmits").submits
    assert (found.job_id, found.user_id) == (job_id, "alice")
    assert found.state == job_pb2.Job.RECONCILING

    # When an administrator says what was found at the provider
    job = ask(house, "ResolveJob", job_id=job_id, **verdict).job

    # Then the job goes on or ends, and nothing of it is left to be settled that way
    assert (job.state, job.cost.state) == (state, cost)
    assert job.video.prompt == ""
    if "operation" not in verdict:
        assert len(ask(house, "ListUnsettledSubmits").submits) == 0


def test_a_watch_over_all_users_begins_with_what_is_unfinished_and_goes_on_live(
    house: House,
) -> None:
    # Given jobs of two users, one of which has ended
    first = generate(house, "alice", "a secret")
    second = generate(house, "bob", "another secret")
    transitions.succeed(house.db, started(house.db).run, new_media("alice", job_id=first))

    # When an administrator watches
    watch = WatchAll(house)
    watch.synced()
    assert watch.jobs() == [("CURRENT", "bob", second)]

    # Then what happens to any user comes, once, without prompts
    third = generate(house, "carol", "a third secret")
    watch.until(lambda events: bool(watch.jobs()[1:]))
    house.caller("bob").call("CancelJob", media_pb.CancelJobRequest(job_id=second))
    watch.until(lambda events: len(watch.jobs()) == 3)
    assert watch.jobs()[1:] == [("QUEUED", "carol", third), ("CANCELLED", "bob", second)]
    assert not any(event.job.job.video.prompt for event in watch.events)
    assert not any("secret" in str(event) for event in watch.events)
    watch.close()


def test_a_watch_over_all_users_shows_prompts_to_whoever_asks_for_them(house: House) -> None:
    generate(house, "alice", "a paper boat")
    watch = WatchAll(house, prompts=True)
    watch.synced()
    assert [e.job.job.video.prompt for e in watch.events if e.HasField("job")] == ["a paper boat"]
    watch.close()


def test_a_watch_over_all_users_is_narrowed_by_users_models_and_states(house: House) -> None:
    mine, other = generate(house, "alice"), generate(house, "bob")
    for fields, wanted in (
        ({"user_ids": ["alice"]}, [mine]),
        ({"models": ["builtin-video"]}, [other, mine]),
        ({"models": ["no-such"]}, []),
        ({"states": [job_pb2.Job.RUNNING]}, []),
    ):
        watch = WatchAll(house, **fields)
        watch.synced()
        assert sorted(job_id for _, _, job_id in watch.jobs()) == sorted(wanted), fields
        watch.close()


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"states": [0]}, "states[0]"),
        ({"user_ids": ["a"] * 101}, "user_ids"),
        ({"models": [""]}, "models[0]"),
        ({"progress_interval": Duration(seconds=-1)}, "progress_interval"),
    ],
)
def test_a_watch_over_all_users_names_what_is_wrong(
    house: House, fields: dict[str, Any], wrong: str
) -> None:
    call = operator(house).open("WatchAllJobs", pb.WatchAllJobsRequest(**fields))
    with pytest.raises(grpc.RpcError) as refusal:
        next(call)
    assert refusal.value.code() == Code.INVALID_ARGUMENT
    assert wrong in refusal.value.details()


def test_a_user_may_not_watch_others(house: House) -> None:
    call = house.caller("alice").open("WatchAllJobs", pb.WatchAllJobsRequest())
    with pytest.raises(grpc.RpcError) as refusal:
        next(call)
    assert refusal.value.code() == Code.PERMISSION_DENIED
