"""Submits a batch: checks every job, stores the bytes, commits one transaction, then tells."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.catalog.models import Catalog
from core.errors import (
    BudgetExceeded,
    CostAboveLimit,
    DependencyUnavailable,
    QueueFull,
    RequestError,
    RequestIdConflict,
    field_invalid,
)
from core.events import QueueInfo
from core.ids import new_id
from core.jobs import Job
from core.money import amount
from core.store import Database
from core.store.accept import NewJob, find_batch
from core.store.places import Queues
from server.commands.inputs import Prepared
from server.commands.pages import MAX_PAGE_BYTES, asked_bytes
from server.commands.refusals import naming_request
from server.commands.requests import Batch
from server.commands.submit import Submit, as_it_would_be, fingerprint_of, spec_as_asked


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedBatch:
    """The outcome: new jobs in the order of the requests, with the places of those that wait, or
    the first ones of the request_id as they are now. Money in micro-units."""

    batch_id: str
    jobs: tuple[Job, ...]
    places: tuple[QueueInfo | None, ...]
    deduplicated: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def estimated_micros(self) -> int:
        """The sum of the estimates."""
        return sum(job.cost.estimated_micros for job in self.jobs)


class SubmitBatch:
    """Makes batches of jobs, by the checks of single ones."""

    def __init__(self, db: Database, queues: Queues, catalog: Catalog, submit: Submit) -> None:
        self._db = db
        self._queues = queues
        self._catalog = catalog
        self._submit = submit

    def submit(self, user_id: str, asked: Batch) -> SubmittedBatch:
        """Makes the jobs that are asked for, all or none.

        What concerns one request alone names it in its field, or by `index`.

        Raises:
            CostAboveLimit: also when all together cost more than the caller allows.
            FieldInvalid: also when the jobs are too large for one answer.
            Whatever `Submit.submit` does.
        """
        fingerprint = _fingerprint(asked)
        try:
            return self._made(user_id, asked, fingerprint)
        except DependencyUnavailable:
            raise
        except RequestError:
            # A repeated request gets its batch, even if a new one would be refused now.
            known = self._known(user_id, asked, fingerprint)
            if known is None:
                raise
            return known

    def _made(self, user_id: str, asked: Batch, fingerprint: str) -> SubmittedBatch:
        brings = any(one.inline or one.remote for one in asked.submissions)
        # Bytes would be decoded and stored for nothing.
        if (brings or asked.validate_only) and (known := self._known(user_id, asked, fingerprint)):
            return known
        jobs = self._new_jobs(user_id, asked, fingerprint)
        self._submit.check_given(user_id, [one for s in asked.submissions for one in s.given])
        prepared = self._submit.prepared(jobs, asked.submissions)
        jobs = [prepared.of(*one) for one in zip(jobs, asked.submissions, strict=True)]
        self._submit.refuse_no_room(user_id, sum(media.size_bytes for media in prepared.media))
        if asked.validate_only:
            return self._validated(jobs)
        return self._accepted(jobs, prepared)

    def _new_jobs(self, user_id: str, asked: Batch, fingerprint: str) -> list[NewJob]:
        batch_id, jobs = new_id(), []
        for number, one in enumerate(asked.submissions):
            with naming_request(number):
                options = replace(one.options, request_id=asked.request_id)
                new = self._submit.new_job(
                    user_id, one.model, one.spec, one.final_prompt, options, fingerprint
                )
            jobs.append(replace(new, batch_id=batch_id))
        most, sum_micros = asked.max_cost_micros, sum(new.cost.estimated_micros for new in jobs)
        if most is not None and sum_micros > most:
            raise CostAboveLimit(estimated=amount(sum_micros), max_cost=amount(most))
        size = sum(asked_bytes(new.spec, new.final_prompt, new.labels) for new in jobs)
        if size > MAX_PAGE_BYTES:
            raise field_invalid("requests", "are too large for one answer; send fewer at once")
        return jobs

    def _accepted(self, jobs: Sequence[NewJob], prepared: Prepared) -> SubmittedBatch:
        self._submit.store(prepared)
        try:
            placed = self._submit.acceptor.accept_batch(jobs)
        except (QueueFull, RequestIdConflict, BudgetExceeded):
            # Only after one of these refusals is it certain that no row names the blobs.
            self._submit.erase(prepared)
            raise
        accepted = [one.accepted.job for one in placed]
        if placed[0].accepted.deduplicated:
            self._submit.erase(prepared)
            return self._repeated(accepted)
        return self._batch(accepted, [one.place for one in placed])

    def _validated(self, jobs: Sequence[NewJob]) -> SubmittedBatch:
        """The jobs as they would be, each behind those before it. Nothing is stored."""
        self._submit.refuse_beyond_limits(jobs)
        now_ms, before, places = self._db.now_ms(), Counter[str](), list[QueueInfo | None]()
        for new in jobs:
            queue = new.queue_name
            place = self._queues.next_place(new.user_id, queue, new.provider, new.spec.model)
            places.append(replace(place, position=place.position + before[queue]))
            before[queue] += 1
        return self._batch([as_it_would_be(new, now_ms) for new in jobs], places)

    def _known(self, user_id: str, asked: Batch, fingerprint: str) -> SubmittedBatch | None:
        if not asked.request_id:
            return None
        jobs = find_batch(self._db, user_id, asked.request_id, fingerprint)
        return self._repeated(jobs) if jobs else None

    def _repeated(self, jobs: Sequence[Job]) -> SubmittedBatch:
        places = self._queues.places([job.job_id for job in jobs if not job.state.terminal])
        made = self._batch(jobs, [places.get(job.job_id) for job in jobs])
        return replace(made, deduplicated=True)

    def _batch(self, jobs: Sequence[Job], places: Sequence[QueueInfo | None]) -> SubmittedBatch:
        warnings = [
            f"requests[{number}]: {text}"
            for number, job in enumerate(jobs)
            for text in self._catalog.warnings(job.spec.model)
        ]
        return SubmittedBatch(
            batch_id=jobs[0].batch_id,
            jobs=tuple(jobs),
            places=tuple(places),
            warnings=tuple(warnings),
        )


def _fingerprint(asked: Batch) -> str:
    """A digest of all that a batch asks for: equal ones may share a request_id."""
    each = [fingerprint_of(one.options, spec_as_asked(one)) for one in asked.submissions]
    text = json.dumps({"requests": each, "max_cost_micros": asked.max_cost_micros})
    return hashlib.sha256(text.encode()).hexdigest()
