"""Submits a job: checks everything, stores the bytes, commits one transaction, then tells."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from core.blobs import Blobs
from core.catalog.models import Catalog, Model
from core.decoding import Limits
from core.decoding.shares import Shares
from core.errors import (
    BudgetExceeded,
    CostAboveLimit,
    DependencyUnavailable,
    JobStateInvalid,
    PriceUnknown,
    ProviderNotConfigured,
    QueueFull,
    RequestError,
    RequestIdConflict,
    RushesError,
    field_invalid,
)
from core.events import QueueInfo
from core.fetching import Fetcher
from core.jobs import Cost, CostState, Job, Progress, State
from core.kinds import KINDS
from core.money import amount
from core.process.settings import Settings
from core.scopes import Scope
from core.specs import Spec, spec_from_values, spec_to_json
from core.store import Database, budgets
from core.store import jobs as job_store
from core.store.accept import NewJob, find_request, refuse_full_queue
from core.store.places import Queues
from core.store.turns import read_next
from core.telling.changes import Changes
from server.commands.acceptor import Acceptor
from server.commands.inputs import Prepared, check_given, fetch_remote, prepare_inline
from server.commands.quota import MIB, Quota
from server.commands.requests import Inline, Options, Remote, Retry, Submission
from server.commands.room import Room
from server.fair_executor import FairExecutor
from server.principal import require_scope

# Requests whose addresses are fetched at once. Each holds what it fetches in memory.
FETCHES_AT_ONCE = 4
DAY_MS = 24 * 3600 * 1000
_CHOSEN = ("max_cost_micros", "start_within_ms", "finish_within_ms", "apply_to_view")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The outcome of a request: a new job, or the first job of its request_id as it is now."""

    job: Job
    queue: QueueInfo | None = None
    deduplicated: bool = False
    warnings: tuple[str, ...] = ()


class Submit:
    """Makes jobs."""

    def __init__(
        self,
        db: Database,
        queues: Queues,
        blobs: Blobs,
        catalog: Catalog,
        changes: Changes,
        settings: Settings,
        pool: FairExecutor,
        fetcher: Callable[[], Fetcher] | None = None,
    ) -> None:
        self._db = db
        self._queues = queues
        self._blobs = blobs
        self._catalog = catalog
        self.acceptor = Acceptor(changes, queues, pool)
        self._pool = pool
        self._fetches = Shares(FETCHES_AT_ONCE)
        self._new_fetcher = fetcher or partial(
            Fetcher, settings.max_input_uri_megabytes * MIB, settings.input_uri_seconds
        )
        self._settings = settings
        self._room = Room(settings)
        self._quota = Quota(db, settings.user_storage_megabytes)
        self._input_limits = Limits(
            max_pixels=settings.max_input_pixels, cpu_seconds=settings.input_decode_seconds
        )

    def submit(self, user_id: str, asked: Submission) -> Submitted:
        """Makes the job that is asked for.

        Raises:
            NotFound, InputInvalid: when an input can't be used.
            RequestIdConflict: when the request_id belongs to another request.
            ModelRetired: when its model is shut down.
            ProviderNotConfigured: when its model's provider can't run here.
            FieldInvalid: when `start_within` is longer than `finish_within`.
            PriceUnknown: when its model has no price.
            CostAboveLimit: when it costs more than the caller allows.
            StorageFull: when a disk is too full, or the user's items take all that they may.
            QueueFull: when too many of the user's jobs are queued.
            BudgetExceeded: when it would exceed a budget.
        """
        fingerprint = fingerprint_of(asked.options, spec_as_asked(asked))

        def work() -> Submitted:
            return self._make(user_id, asked, fingerprint)

        # Bytes would be decoded and stored for nothing.
        first = bool(asked.inline or asked.remote) or asked.options.validate_only
        return self._unless_known(user_id, asked.options, fingerprint, work, looks_first=first)

    def _make(
        self, user_id: str, asked: Submission, fingerprint: str, retry_of: str = ""
    ) -> Submitted:
        new = self.new_job(
            user_id, asked.model, asked.spec, asked.final_prompt, asked.options, fingerprint
        )
        self.check_given(user_id, asked.given)
        prepared = self.prepared([new], [asked])
        new = replace(prepared.of(new, asked), retry_of=retry_of)
        return self._accept(new, prepared, asked.options)

    def retry(self, user_id: str, asked: Retry) -> Submitted:
        """Makes a new job from the spec of an ended one, with changes if there are some; its labels
        too, unless others are given.

        Raises:
            NotFound: when the user has no such job, or an input of it is gone.
            InputInvalid: when an input of it is in the bin.
            JobStateInvalid: when the job has not ended.
            FieldInvalid: when it is a report's.
            ModelRetired: when its model is shut down, or not in the catalog any more.
            RequestIdConflict and what follows it: as in `submit`.
        """
        options = asked.options
        request = {"retry_of": asked.job_id} | ({"changes": asked.changes} if asked.changes else {})
        fingerprint = fingerprint_of(options, request)

        def work() -> Submitted:
            return self._retry(user_id, asked, fingerprint)

        # A change may bring bytes.
        first = options.validate_only or asked.change is not None
        return self._unless_known(user_id, options, fingerprint, work, looks_first=first)

    def _retry(self, user_id: str, asked: Retry, fingerprint: str) -> Submitted:
        job = job_store.get(self._db, user_id, asked.job_id)
        if not KINDS[job.kind].queue:
            raise field_invalid("job_id", "is of a report; only its own service makes another")
        if not job.state.terminal:
            text = "Only a job that has ended can be retried; cancel it, or wait for its end."
            raise JobStateInvalid(text, state=job.state)
        options = replace(asked.options, labels=asked.options.labels or job.labels)
        changed = asked.change(job) if asked.change else None
        if changed is not None:
            changed = replace(changed, options=options)
            return self._make(user_id, changed, fingerprint, retry_of=job.job_id)
        model = self._catalog.still(job.spec.model, job.kind)
        self.check_given(user_id, [("job_id", media_id) for media_id in job.spec.inputs])
        new = self.new_job(user_id, model, job.spec, job.final_prompt, options, fingerprint)
        return self._accept(replace(new, retry_of=job.job_id), Prepared(), options)

    def check_given(self, user_id: str, given: Iterable[tuple[str, str]]) -> None:
        """Refuses inputs that can't be used; `given` holds fields with their media ids.

        Raises:
            NotFound, InputInvalid: see `submit`.
        """
        check_given(self._db, user_id, given, self._settings.max_input_video_megabytes)

    def prepared(self, jobs: Sequence[NewJob], asked: Sequence[Submission]) -> Prepared:
        """The inputs that are new, fetched and decoded, of jobs of one user. That costs most, so
        whatever else may refuse comes before."""
        inline = [item for one in asked for item in one.inline]
        remote = [item for one in asked for item in one.remote]
        if not (inline or remote):
            return Prepared()
        user_id = jobs[0].user_id
        self.refuse_no_room(user_id, sum(len(item.content) for item in inline))
        self.refuse_beyond_limits(jobs)
        inline += self._fetched(user_id, remote)
        return prepare_inline(user_id, inline, self._input_limits, self._db.now_ms())

    def refuse_no_room(self, user_id: str, more_bytes: int) -> None:
        """
        Raises:
            StorageFull: when a disk is too full, or the user's items take all that they may.
        """
        self._room.refuse_full()
        self._quota.refuse_full(user_id, more_bytes)

    def _fetched(self, user_id: str, remote: Sequence[Remote]) -> list[Inline]:
        """What the addresses hold now. The job keeps these bytes: each of its runs, and a repeated
        request, has the same. It waits for others here, and so gives its thread away."""
        if not remote:
            return []
        with self._pool.resting(user_id), self._fetches.of(user_id):
            return fetch_remote(remote, self._new_fetcher())

    def _unless_known(
        self,
        user_id: str,
        options: Options,
        fingerprint: str,
        work: Callable[[], Submitted],
        *,
        looks_first: bool,
    ) -> Submitted:
        """What `work` gives, or the job that the request_id made before, even if a new one would be
        refused now.

        The transaction that accepts a job looks for its request_id too. So a look before it, which
        costs a round trip, is only worth it where `work` does more than that transaction.
        """
        if looks_first and (known := self._known(user_id, options, fingerprint)):
            return known
        try:
            return work()
        except DependencyUnavailable:
            raise
        except RequestError:
            known = None if looks_first else self._known(user_id, options, fingerprint)
            if known is None:
                raise
            return known

    def _known(self, user_id: str, options: Options, fingerprint: str) -> Submitted | None:
        if not options.request_id:
            return None
        job = find_request(self._db, user_id, options.request_id, fingerprint)
        return self._repeated(job) if job else None

    def _repeated(self, job: Job) -> Submitted:
        place = self._queues.place(job.job_id)
        warnings = self._catalog.warnings(job.spec.model)
        return Submitted(job=job, queue=place, deduplicated=True, warnings=warnings)

    def new_job(
        self,
        user_id: str,
        model: Model,
        spec: Spec,
        final_prompt: str,
        options: Options,
        fingerprint: str,
    ) -> NewJob:
        """A job that passed every check of its own.

        Raises:
            ModelRetired, ProviderNotConfigured, FieldInvalid, PriceUnknown, CostAboveLimit: see
                `submit`.
            ScopeMissing: when it would change a view, and the caller may not.
        """
        if options.apply_to_view:
            require_scope(Scope.MEDIA_WRITE)
        cost = self._cost(model, spec, final_prompt, options.max_cost_micros)
        finish_within_ms = options.finish_within_ms or self._usual_finish_ms(spec)
        if options.start_within_ms is not None and options.start_within_ms > finish_within_ms:
            limit = f"must be at most finish_within, which is {finish_within_ms / 1000:g} s"
            raise field_invalid("options.start_within", limit)
        return NewJob(
            user_id=user_id,
            spec=spec,
            provider=model.provider,
            cost=cost,
            finish_within_ms=finish_within_ms,
            start_within_ms=options.start_within_ms,
            max_queued=self._settings.max_queued_jobs,
            labels=dict(options.labels),
            request_id=options.request_id,
            fingerprint=fingerprint,
            final_prompt=final_prompt,
            provider_model=model.provider_model,
            apply_to_view=options.apply_to_view,
            request_ttl_ms=self._settings.request_id_days * DAY_MS,
            queue=model.queue_of(spec.kind),
        )

    def _cost(self, model: Model, spec: Spec, final_prompt: str, max_micros: int | None) -> Cost:
        """The estimated cost of the job.

        Raises:
            ModelRetired, ProviderNotConfigured, PriceUnknown, CostAboveLimit: see `submit`.
        """
        self._catalog.refuse_retired(model)
        if model.missing_setting:
            raise ProviderNotConfigured(provider=model.provider, setting=model.missing_setting)
        estimated = model.estimate_micros(spec, final_prompt)
        if estimated is None:
            raise PriceUnknown(model=model.model)
        if max_micros is not None and estimated > max_micros:
            raise CostAboveLimit(estimated=amount(estimated), max_cost=amount(max_micros))
        return Cost(
            state=CostState.RESERVED,
            estimated_micros=estimated,
            price_revision=model.price_revision,
        )

    def _usual_finish_ms(self, spec: Spec) -> int:
        return KINDS[spec.kind].finish_seconds(self._settings) * 1000

    def _accept(self, new: NewJob, prepared: Prepared, options: Options) -> Submitted:
        done = self._accepted(new, prepared, options)
        return replace(done, warnings=self._catalog.warnings(new.spec.model))

    def _accepted(self, new: NewJob, prepared: Prepared, options: Options) -> Submitted:
        self.refuse_no_room(new.user_id, sum(media.size_bytes for media in new.inputs))
        if options.validate_only:
            return self._validated(new)
        self.store(prepared)
        try:
            placed = self.acceptor.accept(new)
        except (QueueFull, RequestIdConflict, BudgetExceeded):
            # Only after one of these refusals is it certain that no row names the blobs. After any
            # other error the purge finds them.
            self.erase(prepared)
            raise
        if placed.accepted.event is None:
            self.erase(prepared)
            return self._repeated(placed.accepted.job)
        return Submitted(job=placed.accepted.job, queue=placed.place)

    def refuse_beyond_limits(self, jobs: Sequence[NewJob]) -> None:
        """Refuses what `accept` would refuse of jobs of one user; only `accept` is sure of it.

        Raises:
            QueueFull, BudgetExceeded: see `submit`.
        """
        first, micros = jobs[0], sum(new.cost.estimated_micros for new in jobs)
        waiting = read_next(self._db, first.user_id, first.queue_name).waiting
        refuse_full_queue(waiting, first.max_queued, len(jobs))
        short = budgets.shortage(self._db, first.user_id, micros)
        if short is not None:
            raise budgets.exceeded(short, micros)

    def _validated(self, new: NewJob) -> Submitted:
        self.refuse_beyond_limits([new])
        place = self._queues.next_place(new.user_id, new.queue_name, new.provider, new.spec.model)
        return Submitted(job=as_it_would_be(new, self._db.now_ms()), queue=place)

    def store(self, prepared: Prepared) -> None:
        """Writes the blobs of new inputs, all or none."""
        try:
            for key, data in prepared.blobs:
                self._blobs.put_bytes(key, data)
        except RushesError:
            self.erase(prepared)
            raise

    def erase(self, prepared: Prepared) -> None:
        """Removes them again; what is left the purge finds."""
        with contextlib.suppress(DependencyUnavailable):
            self._blobs.delete([key for key, _ in prepared.blobs])


def fingerprint_of(options: Options, request: dict[str, Any]) -> str:
    """A digest of all that a request asks for: equal ones may share a request_id."""
    chosen = {name: getattr(options, name) for name in _CHOSEN}
    # Options that were not chosen are left out, so that an option of a later version does not
    # change the digests of earlier requests.
    limits = {name: value for name, value in chosen.items() if value not in (None, "")}
    text = json.dumps({**request, "labels": dict(options.labels), **limits}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def spec_as_asked(asked: Submission) -> dict[str, Any]:
    """The spec with digests of inline bytes and with addresses in place of ids that are new each
    time."""
    names = {i.media_id: f"sha256:{hashlib.sha256(i.content).hexdigest()}" for i in asked.inline}
    names |= {i.media_id: f"https://{i.address.host}{i.address.target}" for i in asked.remote}
    spec = _renamed(asked.spec, names) if names else asked.spec
    return {"kind": asked.spec.kind, "spec": spec_to_json(spec)}


def _renamed(spec: Spec, names: Mapping[str, str]) -> Spec:
    """The spec with other names for some of its inputs."""
    values = spec_to_json(spec)

    def name(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(name(item) for item in value)
        return names.get(value, value) if isinstance(value, str) else value

    renamed = {field: name(value) for field, value in values.items()}
    return spec_from_values(type(spec), renamed)


def as_it_would_be(new: NewJob, now_ms: int) -> Job:
    """The job as it would be. Nothing is stored, so neither it nor its inline bytes have ids."""
    return Job(
        job_id="",
        user_id=new.user_id,
        spec=_renamed(new.spec, {media.media_id: "" for media in new.inputs}),
        state=State.QUEUED,
        progress=Progress(),
        cost=replace(new.cost, state=CostState.ESTIMATED),
        provider=new.provider,
        labels=new.labels,
        request_id=new.request_id,
        final_prompt=new.final_prompt,
        retry_of=new.retry_of,
        apply_to_view=new.apply_to_view,
        create_time=now_ms,
        start_deadline=now_ms + new.start_within_ms if new.start_within_ms else None,
        finish_deadline=now_ms + new.finish_within_ms,
    )
