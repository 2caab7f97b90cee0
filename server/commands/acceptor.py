"""Accepts the jobs of all callers of a process: those who come together share one transaction.

One caller at a time leads: its thread accepts its own job and those of the callers who wait. Then
the first of those who have come meanwhile leads. So a caller who is alone waits for nobody, and the
more callers there are, the less each of them costs. The job of a user who is changed at that moment
gets a transaction of its own, in the thread of its caller, so that only that caller waits.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.errors import DependencyUnavailable, RequestError
from core.events import QueueInfo
from core.store.accept import Accepted, NewJob, accept, accept_all, accept_batch
from core.store.places import New, Queues
from core.telling.changes import Changes
from server.fair_executor import FairExecutor

# So many jobs share a transaction. It holds the locks of their users, and of the budgets.
MOST = 32
# A database that hangs is told within that time to callers who wait for others.
WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Placed:
    """What came of a job, and its place; None when it does not wait, or nobody can tell."""

    accepted: Accepted
    place: QueueInfo | None


@dataclass(slots=True, eq=False)
class _Call:
    """A caller who waits: `told` is set when it has an outcome, or leads."""

    new: NewJob
    told: threading.Event = field(default_factory=threading.Event)
    leads: bool = False
    outcome: Placed | BaseException | None = None  # None: the job needs a transaction of its own

    def tell(self, outcome: Placed | BaseException | None) -> None:
        self.outcome = outcome
        self.told.set()


class Acceptor:
    """Accepts jobs, from any thread."""

    def __init__(self, changes: Changes, queues: Queues, pool: FairExecutor) -> None:
        """`pool` has the threads of the callers, each in the share of the user of its job."""
        self._pool = pool
        self._changes = changes
        self._queues = queues
        self._lock = threading.Lock()
        self._waiting: deque[_Call] = deque()
        self._led = False

    def accept(self, new: NewJob) -> Placed:
        """Accepts the job, tells its event and reads its place.

        Raises what `core.store.accept.accept` does.
        """
        call = _Call(new)
        with self._lock:
            self._waiting.append(call)
            call.leads, self._led = not self._led, True
        if not call.leads:
            with self._pool.resting(new.user_id):
                self._wait(call)
        if call.leads:
            self._lead()
        if isinstance(call.outcome, BaseException):
            raise call.outcome
        return call.outcome or self._alone(new)

    def accept_batch(self, jobs: Sequence[NewJob]) -> list[Placed]:
        """Accepts the jobs of a batch, all or none, tells their events and reads their places.

        Raises what `core.store.accept.accept_batch` does.
        """
        accepted = self._changes.make_all(lambda db: accept_batch(db, jobs))
        places = self._places(accepted)
        return [Placed(one, places.get(one.job.job_id)) for one in accepted]

    def _wait(self, call: _Call) -> None:
        """Waits until the call has an outcome or leads.

        Raises:
            DependencyUnavailable: when neither happens in time; then its job was not accepted.
        """
        if call.told.wait(WAIT_SECONDS):
            return
        with self._lock:
            if call in self._waiting and not call.leads:
                self._waiting.remove(call)
                raise DependencyUnavailable("database")
        call.told.wait()

    def _lead(self) -> None:
        """Accepts the jobs of those who wait, the first of which is the caller itself."""
        with self._lock:
            calls = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST))]
        try:
            outcomes = self._outcomes(calls)
        except BaseException as error:
            for call in calls:
                call.tell(error)
            raise
        for call, outcome in zip(calls, outcomes, strict=True):
            call.tell(outcome)

    def _alone(self, new: NewJob) -> Placed:
        accepted = self._changes.make(lambda db: accept(db, new))
        return Placed(accepted, self._places([accepted]).get(accepted.job.job_id))

    def _outcomes(self, calls: Sequence[_Call]) -> list[Placed | RequestError | None]:
        jobs = [call.new for call in calls]
        try:
            found = self._changes.make_all(lambda db: accept_all(db, jobs))
        except DependencyUnavailable as error:
            # Those who wait would only find the same, one after the other.
            self._refuse_waiting(error)
            raise
        finally:
            # All is told, so the next transaction may begin while the places are read.
            self._pass_on()
        places = self._places([one for one in found if isinstance(one, Accepted)])
        return [
            Placed(one, places.get(one.job.job_id)) if isinstance(one, Accepted) else one
            for one in found
        ]

    def _refuse_waiting(self, error: DependencyUnavailable) -> None:
        with self._lock:
            while self._waiting:
                self._waiting.popleft().tell(error)

    def _pass_on(self) -> None:
        with self._lock:
            self._led = bool(self._waiting)
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].told.set()

    def _places(self, accepted: Sequence[Accepted]) -> dict[str, QueueInfo]:
        """The places of those that are new. They are accepted, also when nobody can tell these."""
        new = [
            New(
                job_id=one.job.job_id,
                queue=one.job.queue,
                provider=one.job.provider,
                model=one.job.spec.model,
                turn=one.turn,
                running=one.running,
            )
            for one in accepted
            if one.event is not None
        ]
        try:
            return self._queues.new_places(new)
        except DependencyUnavailable:
            return {}
