"""What each word in a prompt makes the simulator do, as data: `docs/simulator.md` is this table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.catalog.simulated import Word
from core.errors import Reason
from core.jobs import CostState, JobFailure, State


class Moment(StrEnum):
    """The moment in the life of an operation when a word acts."""

    REACH = "reach"
    REFUSE = "refuse"
    ANSWER = "answer"
    WORK = "work"
    FETCH = "fetch"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The effect of a word: the last state of the job with its reason, and the state of its cost.

    `metadata` goes into the failure; the provider adds what only it knows.
    """

    at: Moment
    does: str
    state: State = State.FAILED
    reason: Reason | None = None
    cost: CostState = CostState.RELEASED
    metadata: Mapping[str, str] | None = None


def _fine(at: Moment, does: str) -> Effect:
    return Effect(at=at, does=does, state=State.SUCCEEDED, cost=CostState.CHARGED)


EFFECTS: Mapping[Word, Effect] = {
    Word.UNREACHABLE: Effect(
        at=Moment.REACH,
        does="The provider can't be reached; tried again until the finish deadline",
        reason=Reason.PROVIDER_UNAVAILABLE,
    ),
    Word.UNREACHABLE_ONCE: _fine(Moment.REACH, "The first try does not reach the provider"),
    Word.BUSY_ONCE: _fine(Moment.REACH, "The first try is answered 429 with Retry-After: 1"),
    Word.REJECTED: Effect(
        at=Moment.REFUSE,
        does="The provider refuses the request",
        reason=Reason.PROVIDER_REJECTED,
    ),
    Word.FILTERED_PROMPT: Effect(
        at=Moment.REFUSE,
        does="The provider refuses the prompt",
        reason=Reason.CONTENT_FILTERED,
        metadata={"phase": "prompt"},
    ),
    Word.FILTERED_INPUT: Effect(
        at=Moment.REFUSE,
        does="The provider refuses an input",
        reason=Reason.CONTENT_FILTERED,
        metadata={"phase": "input"},
    ),
    Word.QUOTA: Effect(
        at=Moment.REFUSE,
        does="The quota is used up for an hour",
        reason=Reason.PROVIDER_QUOTA_EXHAUSTED,
    ),
    Word.UNAUTHORIZED: Effect(
        at=Moment.REFUSE,
        does="The key is not accepted",
        reason=Reason.PROVIDER_AUTH_FAILED,
        metadata={"setting": "RUSHES_SIMULATOR"},
    ),
    Word.LOST_REQUEST_ONCE: Effect(
        at=Moment.ANSWER,
        does="The connection is cut before the first request arrived, which nobody can know;"
        " a look-up finds nothing",
        reason=Reason.SUBMIT_OUTCOME_UNKNOWN,
        cost=CostState.UNCERTAIN,
    ),
    Word.LOST_ANSWER: Effect(
        at=Moment.ANSWER,
        does="Accepted and paid, and the answer is lost for ever; it can't be looked up",
        reason=Reason.SUBMIT_OUTCOME_UNKNOWN,
        cost=CostState.UNCERTAIN,
    ),
    Word.LOST_ANSWER_LISTED: _fine(
        Moment.ANSWER, "The answer is lost, but a look-up finds the operation: it is adopted"
    ),
    Word.LATE_ANSWER: _fine(
        Moment.ANSWER,
        "The answer comes 3 s after the caller gave up: the operation is adopted",
    ),
    Word.SLOW: _fine(Moment.WORK, "The operation takes 10 s"),
    Word.FILTERED: Effect(
        at=Moment.WORK,
        does="The result is filtered, and not charged",
        reason=Reason.CONTENT_FILTERED,
        metadata={"phase": "output"},
    ),
    Word.FILTERED_CHARGED: Effect(
        at=Moment.WORK,
        does="The result is filtered, and charged",
        reason=Reason.CONTENT_FILTERED,
        cost=CostState.CHARGED,
        metadata={"phase": "output"},
    ),
    Word.TIMEOUT: Effect(
        at=Moment.WORK,
        does="The operation takes too long, and the provider gives it up",
        reason=Reason.PROVIDER_TIMEOUT,
        cost=CostState.UNCERTAIN,
    ),
    Word.VANISH: Effect(
        at=Moment.WORK,
        does="The provider does not know the operation any more",
        reason=Reason.PROVIDER_OPERATION_LOST,
        cost=CostState.UNCERTAIN,
    ),
    Word.BROKEN_FILE: Effect(
        at=Moment.FETCH,
        does="The file is no image and no video",
        reason=Reason.RESULT_INVALID,
        cost=CostState.CHARGED,
    ),
    Word.DOWNLOAD_FAILS_ONCE: _fine(Moment.FETCH, "The first download fails"),
    Word.STORAGE_FAILS: Effect(
        at=Moment.FETCH,
        does="The file can't be stored",
        reason=Reason.STORAGE_WRITE_FAILED,
        cost=CostState.CHARGED,
        metadata={"store": "blobs"},
    ),
    Word.KILL_WORKER_ONCE: _fine(
        Moment.FETCH, "The first download kills its worker process; another one goes on"
    ),
    Word.KILL_WORKER: Effect(
        at=Moment.FETCH,
        does="Every download kills its worker process",
        reason=Reason.WORKER_LOST,
        cost=CostState.CHARGED,
    ),
    Word.CRASH: Effect(
        at=Moment.FETCH,
        does="The download meets a bug",
        reason=Reason.INTERNAL_ERROR,
        cost=CostState.CHARGED,
    ),
    Word.NO_CANCEL: _fine(
        Moment.CANCEL, "The operation can't be stopped: a cancelled job is CHARGED"
    ),
}


def first_failing(words: Iterable[Word], at: Moment) -> Word | None:
    """The first of the words, in the order of the table, that makes a job fail at that moment."""
    given = frozenset(words)
    return next((w for w, e in EFFECTS.items() if w in given and e.at is at and e.reason), None)


def failure(word: Word, **metadata: str) -> JobFailure:
    """The failure of a job that the word ends; the word must have a reason."""
    effect = EFFECTS[word]
    if effect.reason is None:
        raise ValueError(f"{word} makes no job fail")
    return JobFailure(
        reason=effect.reason,
        message=f"{effect.does} ({word}).",
        metadata={**(effect.metadata or {}), **metadata},
    )
