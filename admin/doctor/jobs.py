"""Checks that workers run the jobs, and that no job is in trouble."""

from admin.doctor.patient import Patient, Unwell
from core.catalog.models import read_catalog
from core.errors import SettingsInvalid
from core.jobs import State
from core.kinds import queues
from core.store import flows, usage_days
from core.times import utc


def check_workers(patient: Patient) -> str:
    """Checks that each queue of a model or of an unfinished job has a live worker."""
    seen = patient.overview()
    served = dict.fromkeys([*_queues(patient), *(queue for queue, _ in seen.unfinished if queue)])
    unserved = [queue for queue in served if not seen.live_workers.get(queue)]
    if unserved:
        waiting = sum(seen.unfinished.get((queue, State.QUEUED), 0) for queue in unserved)
        raise Unwell(
            f"nobody serves {' and '.join(unserved)} ({waiting} jobs wait): start a worker that "
            "has it in RUSHES_WORKER_QUEUES"
        )
    return ", ".join(f"{queue}: {seen.live_workers[queue]} alive" for queue in served)


def _queues(patient: Patient) -> tuple[str, ...]:
    try:
        return read_catalog(patient.settings.models_file).queues
    except SettingsInvalid:
        # The check of the models says what is wrong with the file.
        return queues()


def check_circuits(patient: Patient) -> str:
    """Checks that no provider is left alone."""
    until = patient.overview().open_circuits
    if until:
        named = ", ".join(f"{name} until {_clock(ms)}" for name, ms in sorted(until.items()))
        raise Unwell(f"left alone, because calls kept failing: {named}; look at the provider")
    return "all providers are called"


def check_reconciling(patient: Patient) -> str:
    """Checks that no job has an unknown outcome at its provider."""
    unfinished = patient.overview().unfinished
    count = sum(n for (_, state), n in unfinished.items() if state is State.RECONCILING)
    if count:
        raise Unwell(f"{count} may have been paid without an answer: `rushes-admin reconcile list`")
    return "no job"


def check_flows(patient: Patient) -> str:
    """Checks that what is kept of the jobs that wait and run is what they say."""
    users = flows.different(patient.database())
    if users:
        raise Unwell(
            f"of {len(users)} users something else is kept than their jobs say, so jobs of theirs "
            "may not start: a worker mends that within two minutes; if not, look at its log"
        )
    return "what is kept of jobs is what they say"


def check_usage(patient: Patient) -> str:
    """Checks that usage is what the jobs that are kept and the budgets' books say."""
    users = usage_days.different(patient.database(), patient.settings.retention_days)
    if users:
        raise Unwell(
            f"of {len(users)} users the usage is not what their jobs and budgets say, such as"
            f" {users[0]!r}: what they may spend is right, what `rushes usage` shows is not"
        )
    return "usage is what jobs and budgets say"


def _clock(ms: int) -> str:
    return utc(ms).strftime("%H:%M:%S UTC")
