"""I1 to I3: an accepted job exists, is one, and ends once."""

import itertools
from collections import defaultdict
from collections.abc import Iterator

from tests.crash.checker.evidence import SUBMITS, TERMINAL, Evidence, Finding
from tests.crash.history import Line, is_user

# Drawn anew and not read from core.jobs: a checker that shares the table shares its mistakes.
STATES_AFTER = {
    "QUEUED": {"RUNNING", "FAILED", "CANCELLED"},
    "RUNNING": {"RUNNING", "RECONCILING", "SUCCEEDED", "FAILED", "CANCELLED"},
    "RECONCILING": {"RECONCILING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"},
    "SUCCEEDED": set(),
    # Of an ended job only the money may still be corrected.
    "FAILED": {"FAILED"},
    "CANCELLED": {"CANCELLED"},
}


def accepted_jobs_exist(evidence: Evidence) -> Iterator[Finding]:
    """I1: every OK ↔ one job row of that user and request; and no row of a user of the load that
    nobody asked for."""
    jobs = evidence.final.jobs
    for line in evidence.jobs_told:
        if line["method"] not in SUBMITS:
            continue
        job = jobs.get(line["job"]["job_id"])
        if job is None:
            yield Finding("an accepted job is not in the database", [line])
        elif (job["user_id"], job["request_id"]) != (line["user"], line["request_id"]):
            yield Finding("an accepted job is another's in the database", [line, job])
    asked = {(line["user"], line.get("request_id")) for line in evidence.kinds("call")}
    for job in jobs.values():
        if is_user(job["user_id"]) and (job["user_id"], job["request_id"]) not in asked:
            yield Finding("a job that nobody asked for", [job])


def a_request_makes_one_job(evidence: Evidence) -> Iterator[Finding]:
    """I2: one (user, request_id), one job: in every answer, and in the database.

    The load never uses a request_id for two requests, so a conflict is a lie.
    """
    told: dict[tuple[str, str], Line] = {}
    for line in evidence.jobs_told:
        if line["method"] in SUBMITS:
            first = told.setdefault((line["user"], line["request_id"]), line)
            if first["job"]["job_id"] != line["job"]["job_id"]:
                yield Finding("one request was answered with two jobs", [first, line])
    rows: dict[tuple[str, str], Line] = {}
    for job in evidence.final.job:
        first = rows.setdefault((job["user_id"], job["request_id"]), job)
        if first is not job:
            yield Finding("one request made two jobs", [first, job])
    for line in evidence.kinds("error"):
        if line["reason"] == "REQUEST_ID_CONFLICT":
            yield Finding("the same request was called another one", [line])


def jobs_end_once(evidence: Evidence) -> Iterator[Finding]:
    """I3: every job ends, once, and never leaves its end; every move on the way is a legal one."""
    for job in evidence.final.job:
        events = evidence.final.events_of[job["job_id"]]
        if not events or events[0]["event"] != "QUEUED":
            yield Finding("a job that does not begin with QUEUED", [job, *events[:1]])
            continue
        if job["state"] not in TERMINAL:
            yield Finding("a job has not ended", [events[-1], job])
        if (job["state"], job["revision"]) != (events[-1]["job"]["state"], events[-1]["revision"]):
            yield Finding("a job is not as its last event says", [events[-1], job])
        for before, after in itertools.pairwise(events):
            yield from _move(before, after)
    yield from _ends_told(evidence)


def _move(before: Line, after: Line) -> Iterator[Finding]:
    left, entered = before["job"]["state"], after["job"]["state"]
    if entered not in STATES_AFTER[left]:
        yield Finding(f"a job went from {left} to {entered}", [before, after])
    elif left in TERMINAL and after["event"] != "UPDATED":
        yield Finding("a job ended twice", [before, after])
    if after["job"]["attempt"] < before["job"]["attempt"]:
        yield Finding("a job's attempt fell", [before, after])


def _ends_told(evidence: Evidence) -> Iterator[Finding]:
    """Whoever was told of an end was told of the one that stands."""
    told = defaultdict(list)
    for line in evidence.jobs_told:
        told[line["job"]["job_id"]].append((line["job"], line))
    for line in evidence.kinds("frame"):
        if line["t"] > evidence.restored_at:
            for event in line["events"]:
                if "job" in event:
                    told[event["job"]["job_id"]].append((event["job"], line))
    for job_id, views in told.items():
        job = evidence.final.jobs.get(job_id)
        for view, line in views:
            if job and view["state"] in TERMINAL and view["state"] != job["state"]:
                brief = {**line, "events": [view]} if "events" in line else line
                yield Finding("an end was told that is not the job's end", [brief, job])
                break
