"""`rushes logs`: what processes wrote, in the order of time, for people and as JSON."""

import json
import time
from pathlib import Path

import pytest

from admin import logs


class Logs:
    """The log folder of a run, and what the command prints of it."""

    def __init__(self, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data_dir = data_dir
        self.folder = data_dir / "logs"
        self.folder.mkdir()
        self._capsys = capsys

    def add(self, process: str, *lines: str) -> None:
        with (self.folder / f"{process}.log").open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def shown(self, process: str = "", lines: int = 100, as_json: bool = False) -> list[str]:
        assert logs.run(self.data_dir, process, False, lines, as_json) == 0
        return self._capsys.readouterr().out.splitlines()

    def refused(self, process: str) -> str:
        assert logs.run(self.data_dir, process, False, 100, False) == 2
        return self._capsys.readouterr().err

    def printed(self) -> str:
        return self._capsys.readouterr().out


@pytest.fixture
def written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Logs:
    return Logs(tmp_path, capsys)


def line(second: int, event: str, **values: object) -> str:
    at = f"2026-11-21T12:00:{second:02}.500000Z"
    return json.dumps({**values, "event": event, "level": "info", "timestamp": at, "role": "x"})


def test_all_processes_are_merged_by_time(written: Logs) -> None:
    written.add("server-1", line(1, "server_started"), line(4, "rpc_finished"))
    written.add("worker-1", line(2, "worker_started"), line(3, "job_failed"))

    events = [shown.split()[4] for shown in written.shown()]

    assert events == ["server_started", "worker_started", "job_failed", "rpc_finished"]


def test_a_line_is_process_time_level_event_and_what_it_says(written: Logs) -> None:
    written.add(
        "server-1", line(1, "rpc_finished", ms=3.5, method="GetJob", user_id="", text="a b")
    )

    (shown,) = written.shown()

    process, _, clock, level, rest = shown.split(maxsplit=4)
    assert (process, clock[-6:], level) == ("server-1", "01.500", "info")
    assert rest == 'rpc_finished ms=3.5 method=GetJob user_id="" text="a b"'


def test_an_exception_is_its_type_and_its_place(written: Logs) -> None:
    what = {"type": "builtins.ValueError", "frames": ["a.py:1 f", "b.py:2 g"]}
    written.add("worker-1", line(1, "run_crashed", exception=what))

    assert written.shown()[0].endswith("run_crashed exception=builtins.ValueError at b.py:2 g")


def test_lines_that_are_no_json_stay_where_they_were_said(written: Logs) -> None:
    written.add("worker-1", line(1, "worker_started"), "Fatal Python error", line(5, "later"))
    written.add("server-1", line(2, "server_started"))

    assert [shown.split()[4] for shown in written.shown()] == [
        "worker_started",
        "output",
        "server_started",
        "later",
    ]
    assert "Fatal Python error" in written.shown()[1]


def test_valkeys_lines_have_their_time_and_level(written: Logs) -> None:
    written.add("valkey", "123:M 21 Nov 2026 12:00:01.250 # Out of memory")

    (shown,) = written.shown()

    assert shown.startswith("valkey 2026-11-21 12:00:01.250 warning valkey_message")
    assert shown.endswith('message="Out of memory"')


def test_a_reader_far_from_utc_sees_valkeys_lines_where_they_belong(
    written: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    written.add("valkey", "123:M 21 Nov 2026 12:00:01.250 * Ready to accept connections")
    written.add("worker-1", line(2, "worker_started"))

    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        shown = written.shown()
        as_json = written.shown(as_json=True)
    time.tzset()

    assert [told.split()[0] for told in shown] == ["valkey", "worker-1"]
    assert "07:00:01.250" in shown[0]
    assert json.loads(as_json[0])["timestamp"] == "2026-11-21T12:00:01.250000Z"


def test_one_process_can_be_chosen_and_the_number_of_lines(written: Logs) -> None:
    written.add("server-1", *(line(n, f"event_{n}") for n in range(9)))
    written.add("worker-1", line(30, "other"))

    assert [shown.split()[4] for shown in written.shown("server-1", 2)] == ["event_7", "event_8"]
    assert [shown.split()[4] for shown in written.shown(lines=2)] == ["event_8", "other"]
    assert written.shown(lines=0) == []


def test_a_long_log_is_read_from_its_end(written: Logs) -> None:
    written.add("server-1", *(line(n % 60, "filler", text="x" * 500) for n in range(600)))
    written.add("server-1", line(59, "last"))

    assert len(written.shown(lines=300)) == 300
    assert "last" in written.shown(lines=1)[0]


def test_what_was_put_aside_is_read_when_the_log_is_short(written: Logs) -> None:
    (written.folder / "server-1.log.1").write_text(f"{line(1, 'before')}\n{line(2, 'older')}\n")
    written.add("server-1", line(3, "now"))

    assert [shown.split()[4] for shown in written.shown(lines=2)] == ["older", "now"]


def test_as_json_lines_are_as_they_were_written(written: Logs) -> None:
    first = line(1, "server_started", port=0)
    written.add("server-1", first, "oh")

    shown = written.shown(as_json=True)

    assert shown[0] == first
    assert json.loads(shown[1]) == {
        "event": "output",
        "message": "oh",
        "timestamp": "2026-11-21T12:00:01.500000Z",
        "process": "server-1",
    }


def test_nothing_in_a_log_can_steer_a_terminal(written: Logs) -> None:
    written.add("server-1", line(1, "rpc_finished", method="\x1b[2J\u202e"), "\x1b]0;title\x07")

    text = "".join(written.shown())

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\x07" not in text


@pytest.mark.parametrize("raw", ["[1]", '"x"', "{}", '{"timestamp": 5}', '{"timestamp": "x"}', "{"])
def test_odd_lines_are_shown(written: Logs, raw: str) -> None:
    written.add("server-1", raw)

    assert "output" in written.shown()[0]
    assert json.loads(written.shown(as_json=True)[0])


def test_a_process_without_a_log_is_refused_with_those_that_have_one(written: Logs) -> None:
    written.add("server-1", line(1, "server_started"))

    assert "server-1" in written.refused("worker-9")


class Ended(Exception):
    """Ends a command that would go on for ever."""


def test_with_follow_what_comes_is_shown_too_also_after_the_log_was_put_aside(
    written: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    written.add("server-1", line(1, "first"))
    shown: list[str] = []

    def add_half_a_line() -> None:
        with (written.folder / "server-1.log").open("a") as file:
            file.write(line(2, "second")[:20])

    def add_the_rest() -> None:
        with (written.folder / "server-1.log").open("a") as file:
            file.write(line(2, "second")[20:] + "\n")

    def put_aside() -> None:
        path = written.folder / "server-1.log"
        path.rename(path.with_name("server-1.log.1"))
        written.add("server-1", line(3, "third"))

    def begin_another() -> None:
        written.add("worker-1", line(4, "fourth"))

    steps = iter([add_half_a_line, add_the_rest, put_aside, begin_another])

    def pause(_: float) -> None:
        shown.append(" ".join(row.split()[4] for row in written.printed().splitlines()))
        step = next(steps, None)
        if step is None:
            raise Ended
        step()

    monkeypatch.setattr(logs.time, "sleep", pause)
    with pytest.raises(Ended):
        logs.run(written.data_dir, "", True, 100, False)

    assert shown == ["first", "", "second", "third", "fourth"]
