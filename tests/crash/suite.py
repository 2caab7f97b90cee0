"""One episode: an installation, a load, the nemesis; then quiet, and the checker looks."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg2
import redis

from core.errors import DependencyUnavailable
from core.store.engine.database import Database, connect
from core.store.engine.sql import Statement
from tests.crash.checker import (
    Final,
    Holdings,
    Violation,
    check,
    check_leaks,
    check_quiet,
    collect,
    find_mends,
    find_secrets,
)
from tests.crash.faults import Fault, Frozen, Killed
from tests.crash.history import Recorder
from tests.crash.installation import FAST, Installation, Process
from tests.crash.load import Load, heads_of
from tests.crash.nemesis import (
    Lane,
    Span,
    bad_weather,
    database_outages,
    deaths,
    outages,
    stalls,
    worker_deaths,
    worker_freezes,
)
from tests.crash.operating import Operator
from tests.crash.plan import Mix
from tests.crash.proxy import Network
from tests.crash.recovery import Recovery
from tests.crash.sharing import Sharer
from tests.services import Postgres, wait_for

SERVERS, WORKERS = 2, 3
WATCH_SECONDS = 30.0
QUIET_SECONDS = 90.0
CATCH_UP_SECONDS = 40.0
LEAVE_SECONDS = 15.0
# Pools, threads and SQLite's files for each thread are made when they are needed, and stay.
SLACK_PER_PROCESS = 30
DEATH_PAUSE = (0.1, 0.6)
STALL_PAUSE = (0.5, 3.0)
OUTAGE_PAUSE = (1.0, 6.0)
JOBS_PER_SECOND = 5
# A delivery that failed twice is tried again only after minutes.
_UNFINISHED = Statement("""
    SELECT (SELECT count(*) FROM job WHERE end_time IS NULL)
        + (SELECT count(*) FROM delivery WHERE state = 'PENDING' AND try_count < 2)
""")


@dataclass(frozen=True)
class Scenario:
    """What to run: the episode ends after so many kills or seconds, whichever comes first.

    worker_pause: with it only workers are hurt, so many seconds apart, and nothing else.
    fresh: processes start as they do in production, which takes longer than a fork.
    """

    database: str
    seed: int
    seconds: float
    kills: int | None = None
    users: int = 20
    watchers: int = 50
    mix: Mix | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    worker_pause: Span | None = None
    fresh: bool = False

    @property
    def lease(self) -> float:
        """How long a lease holds."""
        return float({**FAST, **self.env}["RUSHES_LEASE_SECONDS"])


@dataclass
class Outcome:
    """What came of an episode."""

    scenario: Scenario
    violations: list[Violation] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    kills_at_work: int = 0
    died: Counter[int] = field(default_factory=Counter)
    recovery: list[float] = field(default_factory=list)
    hits: int = 0
    touched: list[str] = field(default_factory=list)
    quiet_seconds: float = 0.0
    seconds: float = 0.0
    final: Final = field(default_factory=Final)
    workers: Holdings = field(default_factory=Holdings)


class Keeper(threading.Thread):
    """Starts what ended by itself again, as the supervisor does, and counts how it ended."""

    def __init__(self, house: Installation, recorder: Recorder) -> None:
        super().__init__(name="keeper", daemon=True)
        self.died: Counter[int] = Counter()
        self._house = house
        self._recorder = recorder
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(0.1):
            for process in self._house.processes:
                code = process.revive()
                if code is not None:
                    self.died[code] += 1
                    self._recorder.fault("died", process.name, code)

    def stop(self) -> None:
        """Starts nothing more."""
        self._stopped.set()
        if self.ident is not None:
            self.join()


class Episode:
    """Runs a scenario in a folder, which keeps the history and the logs."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self._scenario = scenario
        self._folder = folder
        self._outcome = Outcome(scenario)

    def run(self) -> Outcome:
        """Everything, from the start to the verdict."""
        begun = time.monotonic()
        with ExitStack() as stack:
            self._postgres, url = stack.enter_context(_database(self._scenario, self._folder))
            self._house = Installation(
                self._folder,
                url,
                WORKERS,
                server_count=SERVERS,
                network=Network(),
                serves_links=True,
                env=dict(self._scenario.env),
                fresh=self._scenario.fresh,
            )
            stack.callback(self._house.close)
            self._recorder = Recorder(self._folder / "history.jsonl")
            stack.callback(self._recorder.close)
            self._house.start()
            self._torment()
            self._house.close()
            self._judge(url)
        self._outcome.seconds = time.monotonic() - begun
        return self._outcome

    def _torment(self) -> None:
        house, recorder, scenario = self._house, self._recorder, self._scenario
        _warm_up(house)
        before = self._holdings(house.processes)
        load = Load(
            recorder,
            house.async_client,
            scenario.seed,
            users=scenario.users,
            watchers=scenario.watchers,
            total=int(scenario.seconds * JOBS_PER_SECOND),
            mix=scenario.mix,
            ease=15.0,
        )
        keeper = Keeper(house, recorder)
        sharer = Sharer(house, recorder, scenario.seed)
        operator = Operator(house, recorder, scenario.seed)
        recovery = Recovery(house.database_url)
        try:
            load.start()
            wait_for(lambda: all(w.heard for w in load.watchers), "all to watch", WATCH_SECONDS)
            keeper.start()
            sharer.start()
            if scenario.worker_pause is None:
                operator.start()
            self._release_the_nemesis(recovery)
            load.stop()
            self._calm_down()
            sharer.stop()
            operator.stop()
            self._wait_for_quiet(load)
            recorder.end()
        finally:
            sharer.stop()
            operator.stop()
            keeper.stop()
            recovery.stop()
            load.close()
        self._outcome.died, self._outcome.recovery = keeper.died, recovery.seconds
        self._outcome.hits, self._outcome.touched = recovery.hits, recovery.touched
        self._violate(self._leaks(before))

    def _release_the_nemesis(self, recovery: Recovery) -> None:
        def seen(fault: Fault) -> None:
            if isinstance(fault, Killed | Frozen):
                recovery.hurt(fault.pid, fault.kind)

        lanes = self._lanes(seen)
        for lane in lanes:
            lane.start()
        lanes[0].join(self._scenario.seconds)
        for lane in lanes:
            lane.stop()
            self._outcome.faults += lane.counts
            self._outcome.kills += lane.kills
            self._outcome.kills_at_work += lane.kills_at_work

    def _lanes(self, seen: Callable[[Fault], None]) -> list[Lane]:
        house, recorder, seed = self._house, self._recorder, self._scenario.seed
        lease, kills, pause = self._scenario.lease, self._scenario.kills, DEATH_PAUSE
        if (own := self._scenario.worker_pause) is not None:
            dying, freezing = worker_deaths(house), worker_freezes(house, lease)
            return [
                Lane("deaths", dying, recorder, seed, kills=kills, pause=own, seen=seen),
                Lane("freezes", freezing, recorder, seed, pause=own, seen=seen),
            ]
        away = outages(house)
        if self._postgres is not None:
            away += database_outages(self._postgres, _name_of(house.database_url))
        return [
            Lane("deaths", deaths(house), recorder, seed, kills=kills, pause=pause, seen=seen),
            Lane("stalls", stalls(house, lease), recorder, seed, pause=STALL_PAUSE, seen=seen),
            Lane("outages", away, recorder, seed, pause=OUTAGE_PAUSE),
            Lane("weather", bad_weather(house), recorder, seed, pause=OUTAGE_PAUSE),
        ]

    def _calm_down(self) -> None:
        """Everything is well again, whatever the nemesis left."""
        house = self._house
        assert house.network is not None
        house.network.calm()
        for process in house.processes:
            process.thaw()
        house.start()
        self._recorder.fault("calm")

    def _wait_for_quiet(self, load: Load) -> None:
        """Until every job has ended, each delivery was tried, and everyone who watches knows."""
        begun, left = time.monotonic(), 1
        with closing(connect(self._house.database_url, 2)) as db:
            while left and time.monotonic() - begun < QUIET_SECONDS:
                left = _count(db)
                time.sleep(0.1)
            self._outcome.quiet_seconds = time.monotonic() - begun
            self._violate(check_quiet(self._outcome.quiet_seconds, QUIET_SECONDS, left))
            self._outcome.workers = self._holdings(self._house.workers)
            hear_all(self._house, load, db)

    def _judge(self, url: str) -> None:
        house = self._house
        self._outcome.final = collect(url, house.data, house.ledger)
        self._violate(check(self._recorder.lines(), self._outcome.final))
        self._violate(find_secrets(house.folder.glob("*.log"), house.data / "keys"))
        self._violate(find_mends(house.folder.glob("*.log")))

    def _violate(self, violations: list[Violation]) -> None:
        self._outcome.violations += violations

    def _leaks(self, before: Holdings) -> list[Violation]:
        """I19, once those who left had time to be noticed; the workers were counted earlier."""
        slack = SLACK_PER_PROCESS * len(self._house.processes)
        deadline = time.monotonic() + LEAVE_SECONDS
        while found := check_leaks(before, self._still_held(), slack):
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
        return found

    def _still_held(self) -> Holdings:
        workers, now = self._outcome.workers, self._holdings(self._house.servers)
        return replace(
            now,
            descriptors=now.descriptors + workers.descriptors,
            threads=now.threads + workers.threads,
        )

    def _holdings(self, processes: Sequence[Process]) -> Holdings:
        house = self._house
        with redis.Redis(unix_socket_path=str(house.valkey.socket)) as client:
            clients = len(client.client_list())
        return Holdings(
            descriptors=sum(process.fd_count for process in processes),
            threads=sum(process.thread_count for process in processes),
            database_connections=_connections(house.database_url) if self._postgres else 0,
            valkey_clients=clients,
        )


@contextmanager
def _database(scenario: Scenario, folder: Path) -> Iterator[tuple[Postgres | None, str]]:
    if scenario.database == "sqlite":
        yield None, f"sqlite:///{folder / 'rushes.db'}"
        return
    server = Postgres()
    try:
        server.start()
        yield server, server.url(server.new_database())
    finally:
        server.stop()


def hear_all(house: Installation, load: Load, db: Database) -> None:
    """Ends the workers, so that nothing more happens, and waits until every watcher knows it all.

    Before that, a cost could still be corrected after its job has ended.
    """
    with ThreadPoolExecutor(len(house.workers)) as together:
        list(together.map(Process.stop, house.workers))
    load.catch_up(heads_of(db), CATCH_UP_SECONDS)


def _warm_up(house: Installation) -> None:
    """Makes the processes open what they keep open."""
    for index in range(len(house.servers)):
        with house.client("warm", server=index) as client:
            jobs = [client.generate_image("boat", size="256x256").job_id for _ in range(4)]
            for job_id in jobs:
                for event in client.watch(job_ids=[job_id], until_done=True):
                    assert event is not None


def _name_of(url: str) -> str:
    return url.partition("?")[0].rsplit("/", 1)[-1]


def _count(db: Database) -> int:
    try:
        row = db.row(_UNFINISHED)
    except DependencyUnavailable:
        return 1
    return int(row[0]) if row else 0


def _connections(url: str) -> int:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        row = cursor.fetchone()
    return int(row[0]) if row else 0
