"""How far a run is by the clock, and how long it still takes: pure, from how long runs took.

All times are in milliseconds.
"""

from dataclasses import replace

from core.jobs import Job, Progress, Stage, State

# A run has EXPECTED_PERCENT at its expected end. A run that takes longer approaches MOST_PERCENT.
EXPECTED_PERCENT = 80
MOST_PERCENT = 95


def estimated_percent(median_ms: int, age_ms: int) -> int:
    """How far an operation is that does not say so itself; never more than MOST_PERCENT."""
    share = max(age_ms, 0) / max(median_ms, 1)
    if share <= 1:
        return int(EXPECTED_PERCENT * share)
    return int(MOST_PERCENT - (MOST_PERCENT - EXPECTED_PERCENT) / share)


def remaining_ms(median_ms: int, age_ms: int) -> int:
    """How long a run of that age still takes; 0 when it has taken longer than half of all do."""
    return max(median_ms - max(age_ms, 0), 0)


def progress_now(job: Job, median_ms: int, now_ms: int) -> Progress:
    """How far the job is at that time, by what its row says and by the clock.

    The row of a run is written every few seconds. That of an operation is written at each poll;
    between two polls of an operation that does not tell its percent, only the clock moves.
    """
    progress = job.progress
    if job.state is not State.RUNNING or job.run_since is None:
        return progress
    age_ms = now_ms - job.run_since
    progress = replace(progress, remaining_ms=remaining_ms(median_ms, age_ms))
    is_silent = progress.estimated or progress.percent == 0
    if job.submit_time is None or progress.stage is not Stage.GENERATING or not is_silent:
        return progress
    percent = max(progress.percent, estimated_percent(median_ms, age_ms))
    return replace(progress, percent=percent, estimated=percent > 0)
