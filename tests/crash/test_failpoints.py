"""Every named place, each action: a process dies, fails or hangs there, and no promise is broken.

`make crash` kills a process at each place, all in one run; `make crash-full` takes each place and
each action for itself, on both databases.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.blobs import open_blobs
from core.process import failpoints
from core.process.keys import read_or_make_key
from core.process.settings import Settings, read_settings
from core.store import jobs, open_database
from core.store.engine.database import connect
from core.store.engine.sql import Statement
from tests.crash.checker import Violation, check, check_quiet, collect
from tests.crash.history import Recorder
from tests.crash.installation import Installation, Process
from tests.crash.load import Load
from tests.crash.plan import Mix
from tests.crash.suite import hear_all
from tests.making import accepted
from tests.services import wait_for

ACTIONS = ("kill", "exception", "sleep:2.5")
QUIET_SECONDS = 30.0
ANSWER_SECONDS = 60.0
# Nobody hits these while serving: each has a test of its own below, or those of the HTTP process in
# tests/unit/server/http/test_upload_process.py.
APART = (
    *("migrate.middle", "purge.after_list", "restore.middle", "drain.begin"),
    *("upload.after_keep", "upload.before_finish"),
)
IN_SERVER = (
    "accept.before_commit",
    "accept.after_commit",
    "tell.before_publish",
    "tell.after_publish",
    "cancel.after_commit",
    "watch.before_send",
    "watch.in_snapshot",
)
IN_WORKER = tuple(name for name in failpoints.NAMES if name not in (*IN_SERVER, *APART))
# A share of the jobs loses its answer on purpose, and ends only after this.
QUICK = {"RUSHES_RECONCILE_SECONDS": "1", "RUSHES_LOOK_UP_SECONDS": "0.25"}
TROUBLE = {"": 6, "sim:lost-answer": 1, "sim:late-answer": 1, "sim:busy-once": 1}
MIX = Mix({"simulator-image": 2, "builtin-image": 1}, TROUBLE)
# Few are cancelled, and some of those have ended or may cost something by then.
JOBS = {"cancel.after_commit": 400}
_UNFINISHED = Statement("SELECT count(*) FROM job WHERE end_time IS NULL")


class Armed:
    """A process that is started with rules, and again with those that were not hit yet."""

    def __init__(self, process: Process, names: tuple[str, ...], action: str) -> None:
        self.process = process
        self.left = {name: f"{name}={action}*1" for name in names}
        self._deadly = action == "kill"
        self.process.env["RUSHES_FAILPOINTS"] = self._rules()

    def look(self) -> None:
        """Notes what was hit; starts the process again if that ended it."""
        # It says so before it dies: nobody may leave in that moment, or nothing starts it again.
        if self._deadly and self.process.exit_code is None:
            return
        log = self.process.log.read_text(errors="replace") if self.process.log.exists() else ""
        for name in re.findall(r'"failpoint": "([a-z_.]+)"', log):
            self.left.pop(name, None)
        self.process.env["RUSHES_FAILPOINTS"] = self._rules()
        self.process.revive()

    def _rules(self) -> str:
        return ",".join(self.left.values())


class Run:
    """An installation under a small load, some of whose processes are armed."""

    def __init__(self, folder: Path, database_url: str, total: int) -> None:
        self.house = Installation(folder, database_url, env=QUICK)
        self.recorder = Recorder(folder / "history.jsonl")
        self.armed: list[Armed] = []
        self._load = Load(
            self.recorder,
            self.house.async_client,
            seed=total,
            users=4,
            watchers=8,
            slow=0,
            coming_back=3,
            total=total,
            mix=MIX,
            ease=0.2,
        )

    def arm(self, process: Process, names: tuple[str, ...], action: str) -> None:
        self.armed.append(Armed(process, names, action))

    def close(self) -> None:
        self.house.close()
        self.recorder.close()

    def until_all_hit(self, seconds: float, nudge: Callable[[], None] = lambda: None) -> None:
        """Runs the load until every rule was hit."""
        if self.house.valkey.process is None:
            self.house.valkey.start()
        for process in self.house.processes:
            process.start()
        self._keep_until(self.house.answers, "the server", 30)
        self._load.start()
        nudge()
        self._keep_until(lambda: not self._left(), f"hits of {self._left()}", seconds)

    def verdict(self) -> list[Violation]:
        """What the checker says when all is quiet."""
        begun = time.monotonic()
        with closing(connect(self.house.database_url, 2)) as db:
            self._keep_until(lambda: self._load.stop(0), "every answer", ANSWER_SECONDS)
            while (row := db.row(_UNFINISHED)) and row[0]:
                if time.monotonic() - begun > QUIET_SECONDS:
                    break
                self._keep()
                time.sleep(0.05)
            quiet = check_quiet(time.monotonic() - begun, QUIET_SECONDS, row[0] if row else 0)
            hear_all(self.house, self._load, db)
        self.recorder.end()
        self._load.close()
        self.house.close()
        final = collect(self.house.database_url, self.house.data, self.house.ledger)
        return [*quiet, *check(self.recorder.lines(), final)]

    def _left(self) -> list[str]:
        return [name for armed in self.armed for name in armed.left]

    def _keep_until(self, condition: Callable[[], object], what: str, seconds: float) -> None:
        def kept() -> object:
            self._keep()
            return condition()

        wait_for(kept, what, seconds)

    def _keep(self) -> None:
        for armed in self.armed:
            armed.look()
        for process in self.house.processes:
            process.revive()


@pytest.fixture
def start(tmp_path: Path, empty_url: str) -> Iterator[Callable[[int], Run]]:
    runs: list[Run] = []

    def make(total: int) -> Run:
        runs.append(Run(tmp_path, empty_url, total))
        return runs[-1]

    yield make
    for run in runs:
        run.close()


def role_of(house: Installation, name: str) -> Process:
    return house.server if name in IN_SERVER else house.workers[0]


def expect_none(violations: list[Violation]) -> None:
    assert not violations, "\n".join(map(str, violations))


def cancel_one(house: Installation) -> None:
    with house.client("user-00") as client:
        job = client.generate_image("sim:slow a boat", model="simulator-image")
        client.cancel(job.job_id)


SWEEPS = [
    pytest.param("sqlite", "kill", marks=pytest.mark.crash),
    pytest.param("postgres", "kill", marks=pytest.mark.crash_full),
    pytest.param("postgres", "exception", marks=pytest.mark.crash_full),
    pytest.param("postgres", "sleep:2.5", marks=pytest.mark.crash_full),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("empty_url", "action"), SWEEPS, indirect=["empty_url"])
def test_it_happens_at_every_place_in_one_run_and_no_promise_is_broken(
    action: str, start: Callable[[int], Run]
) -> None:
    run = start(400)
    run.arm(run.house.server, IN_SERVER, action)
    run.arm(run.house.workers[0], IN_WORKER, action)
    run.until_all_hit(180)
    expect_none(run.verdict())


@pytest.mark.crash_full
@pytest.mark.timeout(120)
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("name", [*IN_SERVER, *IN_WORKER])
def test_no_promise_is_broken_when_it_happens_there(
    name: str, action: str, start: Callable[[int], Run]
) -> None:
    run = start(JOBS.get(name, 60))
    run.arm(role_of(run.house, name), (name,), action)
    run.until_all_hit(60)
    expect_none(run.verdict())


def every_action(name: str) -> pytest.MarkDecorator:
    """Killed in `make crash`, the other actions in `make crash-full`."""
    kill, *others = ACTIONS
    marked = [pytest.param(f"{name}={kill}*1", marks=pytest.mark.crash, id=kill)]
    full = pytest.mark.crash_full
    marked += [pytest.param(f"{name}={a}*1", marks=full, id=a.partition(":")[0]) for a in others]
    return pytest.mark.parametrize("rules", marked)


@every_action("drain.begin")
def test_no_event_is_lost_when_it_happens_as_a_server_drains(
    rules: str, start: Callable[[int], Run]
) -> None:
    run = start(60)
    run.house.server.env["RUSHES_FAILPOINTS"] = rules
    run.until_all_hit(30)
    assert run.house.server.running is not None
    run.house.server.running.terminate()
    run.house.server.running.wait(20)
    assert run.house.server.said('"failpoint": "drain.begin"') == 1
    run.house.server.env["RUSHES_FAILPOINTS"] = ""
    expect_none(run.verdict())


@every_action("migrate.middle")
def test_a_server_starts_when_it_happened_between_two_migrations(
    rules: str, start: Callable[[int], Run]
) -> None:
    run = start(20)
    first = run.house.server
    first.start({"RUSHES_FAILPOINTS": rules})
    wait_for(lambda: first.said('"failpoint": "migrate.middle"') == 1, "the hit", 30)
    run.house.valkey.start()
    assert first.running is not None
    if "sleep" not in rules:
        assert first.running.wait(20) != 0
    run.until_all_hit(30)
    expect_none(run.verdict())


HOUSEKEEPING = """
from core.process import failpoints
from core.blobs import open_blobs
from core.process.keys import read_or_make_key
from core.process.settings import read_settings
from core.store import jobs, open_database
from workers.upkeep.purge import empty_bin, erase_orphans
settings = read_settings()
failpoints.arm(settings.failpoints)
db = open_database(settings)
blobs = open_blobs(settings, read_or_make_key(settings.signing_key_path))
empty_bin(db, blobs)
erase_orphans(db, blobs, db.now_ms() + 2 * 24 * 3600 * 1000)
db.close()
"""


def keep_house(settings: Settings, database_url: str, rules: str = "") -> int:
    env = {
        "RUSHES_DATA_DIR": str(settings.data_dir),
        "RUSHES_DATABASE_URL": database_url,
        "RUSHES_FAILPOINTS": rules,
    }
    return subprocess.run([sys.executable, "-c", HOUSEKEEPING], env=env, timeout=60).returncode


@every_action("purge.after_list")
def test_nothing_but_orphans_is_erased_when_it_happens_as_they_are_purged(
    rules: str, tmp_path: Path, database_url: str
) -> None:
    # Given bytes of which no row knows, and an installation that owns them
    settings = read_settings(data_dir=tmp_path, database_url=database_url)
    with closing(open_database(settings)):
        blobs = open_blobs(settings, read_or_make_key(settings.signing_key_path))
        assert keep_house(settings, database_url) == 0
        blobs.put_bytes("media/orphan", b"bytes")

    # When it happens between the list and the erasing, and again nothing happens
    code = keep_house(settings, database_url, rules)
    assert (code == 0) == ("sleep" in rules)
    assert ("media/orphan" in blobs.list_keys("media/", 2**52)) == (code != 0)
    assert keep_house(settings, database_url) == 0

    # Then the orphan is gone, and who owns the store is still known
    assert list(blobs.list_keys("media/", 2**52)) == []
    assert blobs.read("owner")


def administer(folder: Path, *arguments: str, rules: str = "") -> int:
    env = {"RUSHES_DATA_DIR": str(folder), "RUSHES_FAILPOINTS": rules}
    command = [sys.executable, "-m", "admin", *arguments]
    return subprocess.run(command, env=env, timeout=60, capture_output=True).returncode


@every_action("restore.middle")
def test_a_restore_can_be_done_again_when_it_happens_in_the_middle(
    rules: str, tmp_path: Path
) -> None:
    # Given a backup with a job in it
    with closing(open_database(read_settings(data_dir=tmp_path / "one"))) as db:
        job_id = accepted(db).job.job_id
    read_or_make_key(read_settings(data_dir=tmp_path / "one").signing_key_path)
    assert administer(tmp_path / "one", "backup", str(tmp_path / "backup.tgz")) == 0

    # When it happens as that is put in place elsewhere, and it is tried again
    restore = ("restore", str(tmp_path / "backup.tgz"), "--force")
    code = administer(tmp_path / "two", *restore, rules=rules)
    assert (code == 0) == ("sleep" in rules)
    assert (tmp_path / "two" / "rushes.db").exists() == (code == 0)
    assert administer(tmp_path / "two", *restore) == 0

    # Then the job is there
    with closing(open_database(read_settings(data_dir=tmp_path / "two"))) as db:
        assert jobs.get(db, "alice", job_id).job_id == job_id


def test_every_place_is_tried() -> None:
    assert set(failpoints.NAMES) == {*IN_SERVER, *IN_WORKER, *APART}
    assert len(failpoints.NAMES) >= 24


def test_every_place_is_in_the_code() -> None:
    root = Path(failpoints.__file__).parents[2]
    folders = ("core", "server", "workers", "admin")
    text = "".join(p.read_text() for folder in folders for p in (root / folder).rglob("*.py"))
    assert set(re.findall(r'failpoints\.hit\(\s*"([a-z_.]+)"', text)) == set(failpoints.NAMES)
