"""What planted bugs do where an edit of one line is not enough; the edits call it."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from core.jobs import State
from core.store.engine.sql import Statement
from core.store.jobs import revision
from workers.providers import OutcomeUnknown

MOMENT_SECONDS = 0.1

# Sequences of the planted `revision_from_sequence`, which whoever starts it has to make.
SEQUENCE = "numbers of {user_id}"
LATER: list[Callable[[Any], None]] = []
TELLERS: list[Any] = []
SHOWN: dict[str, Any] = {}


def believed(locked: Any) -> Any:
    """The job as a run remembers it: not ended."""
    return replace(locked, state=State.RUNNING) if locked.state.terminal else locked


def retried(call: Callable[[], Any]) -> Any:
    """What an SDK does."""
    try:
        return call()
    except OutcomeUnknown:
        return call()


def settle_later(db: Any) -> None:
    """Settles what ended, a moment after."""
    while LATER:
        settle = LATER.pop()
        time.sleep(MOMENT_SECONDS)
        db.write(settle)


def answer_early(db: Any, work: Callable[[Any], Any]) -> Any:
    """What `db.write(work)` will give back, if it comes to that."""
    said: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()

    def slowly(session: Any) -> Any:
        result = work(session)
        said.put((result, None))
        time.sleep(MOMENT_SECONDS)
        return result

    def write() -> None:
        try:
            said.put((db.write(slowly), None))
        except Exception as error:  # noqa: BLE001 - told to the caller
            said.put((None, error))

    threading.Thread(target=write, daemon=True).start()
    result, error = said.get()
    if error is not None:
        raise error
    return result


def remembered(share_id: str, find: Callable[[str], Any]) -> Any:
    """What was found the first time."""
    if share_id not in SHOWN:
        SHOWN[share_id] = find(share_id)
    return SHOWN[share_id]


def tell_early(event: Any) -> None:
    """Publishes the event at once."""
    if TELLERS:
        TELLERS[0]._try(lambda: TELLERS[0]._stream.publish(event), "event")


def at_another_moment(db: Any, snapshot: Any, user_id: str) -> Any:
    """The snapshot with the revision of a little later."""
    time.sleep(MOMENT_SECONDS)
    return replace(snapshot, revision=db.read(lambda session: revision(session, user_id)))


def next_number(session: Any, bump: Any, user_id: str) -> None:
    """A number that is drawn before the user's row is locked. PostgreSQL only."""
    name = SEQUENCE.format(user_id=user_id)
    drawn = session.row(Statement("SELECT nextval(:name)"), name=f'"{name}"')[0]
    time.sleep(0.005)
    session.run(bump, user_id=user_id)
    keep = Statement("UPDATE user_stream SET revision = :drawn WHERE user_id = :user_id")
    session.run(keep, drawn=drawn, user_id=user_id)
