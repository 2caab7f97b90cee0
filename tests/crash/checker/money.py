"""I4 to I7 and I9: what was paid, by the provider's own ledger, against what was intended."""

from collections import defaultdict
from collections.abc import Iterator

from tests.crash.checker.evidence import NEVER_RESUBMIT, Evidence, Finding
from tests.crash.history import Line

CLOCKS_DIFFER_MS = 5
NOT_EXECUTED = ("NOT_SENT", "REJECTED")


def a_submission_is_paid_once(evidence: Evidence) -> Iterator[Finding]:
    """I4: at most one paid submit per submission key."""
    for lines in evidence.final.paid.values():
        by_key = defaultdict(list)
        for line in lines:
            by_key[line["key"]].append(line)
        for key, paid in by_key.items():
            if len(paid) > 1:
                yield Finding(f"submission {key} was paid {len(paid)} times", paid[:2])


def a_job_is_paid_once(evidence: Evidence) -> Iterator[Finding]:
    """I5: under never_resubmit a job has at most one paid submit.

    Under another policy, all intents before a further one were closed as not executed.
    """
    for job_id, paid in evidence.final.paid.items():
        if evidence.policy == NEVER_RESUBMIT and len(paid) > 1:
            yield Finding("a job was paid twice", [*paid[:2], *evidence.final.intents_of[job_id]])
        for line in paid[1:] if evidence.policy != NEVER_RESUBMIT else ():
            before = [i for i in evidence.final.intents_of[job_id] if i["number"] < _number(line)]
            unsettled = [i for i in before if i["outcome"] not in NOT_EXECUTED]
            if unsettled:
                yield Finding("a job was sent again while a submit was at risk", [*unsettled, line])


def intents_come_first(evidence: Evidence) -> Iterator[Finding]:
    """I6: every paid submit has an intent that was written before it."""
    for job_id, paid in evidence.final.paid.items():
        intents = {_key(intent): intent for intent in evidence.final.intents_of[job_id]}
        for line in paid:
            intent = intents.get(line["key"])
            if intent is None:
                yield Finding("a paid submit without an intent", [line])
            elif _later(evidence, intent["create_time"], line["time"]):
                yield Finding("a paid submit came before its intent", [line, intent])


def known_operations_are_only_polled(evidence: Evidence) -> Iterator[Finding]:
    """I7: once an operation's name is recorded, nothing is submitted for its job."""
    for job_id, paid in evidence.final.paid.items():
        for intent in evidence.final.intents_of[job_id]:
            others = [line for line in paid if line["operation"] != intent["operation"]]
            for line in others if intent["operation"] else ():
                if _later(evidence, line["time"], intent["outcome_time"]):
                    yield Finding("a submit after the operation was known", [intent, line])


def a_free_cancel_stays_free(evidence: Evidence) -> Iterator[Finding]:
    """I9: a job that was CANCELLED before its first intent is never paid for.

    Nor is one whose cancel was accepted as one that costs nothing (`only_if_free`).
    """
    for job_id, events in evidence.final.events_of.items():
        ends = [event for event in events if event["event"] == "CANCELLED"]
        for end in ends:
            intents, paid = evidence.final.intents_of[job_id], evidence.final.paid[job_id]
            had_one = any(intent["create_time"] <= end["event_time"] for intent in intents)
            if not had_one and (intents or paid):
                yield Finding("a cancelled job was submitted", [end, *intents[:1], *paid[:1]])
    free = {line["call"] for line in evidence.kinds("call") if line.get("only_if_free")}
    for line in evidence.jobs_told:
        paid = evidence.final.paid.get(line["job"]["job_id"], [])
        if line["call"] in free and line["job"]["state"] in ("RUNNING", "CANCELLED") and paid:
            yield Finding("a cancel was called free, and was not", [line, paid[0]])


def _later(evidence: Evidence, one_ms: int, other_ms: int) -> bool:
    """Whether one is surely later, though the ledger has the host's clock and intents another."""
    return evidence.clocks_agree and one_ms > other_ms + CLOCKS_DIFFER_MS


def _key(intent: Line) -> str:
    return f"{intent['job_id']}.{intent['number']}"


def _number(line: Line) -> int:
    return int(line["key"].rpartition(".")[2])
