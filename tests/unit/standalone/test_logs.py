"""The log files of children."""

from pathlib import Path

from standalone.logs import ROTATE_BYTES, last_words, open_log, rotate_live


def test_a_log_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    with open_log(tmp_path / "worker.log") as log:
        log.write(b"one\n")

    assert (tmp_path / "worker.log").stat().st_mode & 0o777 == 0o600


def test_a_log_is_continued(tmp_path: Path) -> None:
    for line in (b"one\n", b"two\n"):
        with open_log(tmp_path / "worker.log") as log:
            log.write(line)

    assert (tmp_path / "worker.log").read_bytes() == b"one\ntwo\n"


def test_a_log_that_has_grown_is_put_aside(tmp_path: Path) -> None:
    with (tmp_path / "worker.log").open("wb") as old:
        old.truncate(ROTATE_BYTES + 1)

    with open_log(tmp_path / "worker.log") as log:
        log.write(b"new\n")

    assert (tmp_path / "worker.log").read_bytes() == b"new\n"
    assert (tmp_path / "worker.log.1").stat().st_size == ROTATE_BYTES + 1


def test_last_words_are_few_and_hold_no_traceback(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    frames = 'Traceback (most recent call last):\n  File "x", line 1\n    boom()\n'
    log.write_text("\n".join(f"line {n}" for n in range(9)) + f"\n{frames}ValueError: no\n")

    words = last_words(log)

    assert words == ["line 5", "line 6", "line 7", "line 8", "ValueError: no"]


def test_last_words_are_not_those_of_an_earlier_run(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text("before\n")
    start = log.stat().st_size
    with open_log(log) as more:
        more.write(b"now\n")

    assert last_words(log, start) == ["now"]
    assert last_words(log, log.stat().st_size) == []


def test_a_child_without_a_log_said_nothing(tmp_path: Path) -> None:
    assert last_words(tmp_path / "none.log") == []


def test_last_words_are_said_for_people(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text(
        '{"event": "claim_failed", "error": "DependencyUnavailable", "queue": "video"}\n'
        '{"event": "library_message", "message": "no route"}\n'
        "[1, 2]\n"
    )

    assert last_words(log) == [
        "claim_failed DependencyUnavailable",
        "library_message no route",
        "[1, 2]",
    ]


def test_a_log_that_grows_is_put_aside_while_its_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    with open_log(path) as log:
        log.write(b"first\n" + b"x" * ROTATE_BYTES + b"last\n")
        log.flush()

        assert rotate_live(path)
        log.write(b"new\n")

    kept = tmp_path / "worker.log.1"
    assert path.read_bytes() == b"new\n"
    assert kept.read_bytes().endswith(b"xlast\n")
    assert kept.stat().st_size == ROTATE_BYTES
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "worker.log"
    path.write_bytes(b"x" * ROTATE_BYTES)

    assert not rotate_live(path)
    assert not rotate_live(tmp_path / "none.log")
    assert path.stat().st_size == ROTATE_BYTES
