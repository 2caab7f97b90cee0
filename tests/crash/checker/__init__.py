"""The checker: reads the history of a run and what it left behind, and names what was broken.

| | invariant | in |
|---|---|---|
| I1 | every OK ↔ one job row | `accepting` |
| I2 | one (user, request_id), one job | |
| I3 | every job ends, once, by legal moves | |
| I4 | at most one paid submit per submission | `money` |
| I5 | at most one paid submit per job (`never_resubmit`) | |
| I6 | every paid submit has an earlier intent | |
| I7 | no submit once the operation is known | |
| I8 | the books cover what was paid; limits hold; nothing stays reserved | `books` |
| I9 | cancelled before an intent: never paid | `money` |
| I10 | revisions rise by one, per watcher, across connections | `watching`, `streams` |
| I11 | nothing is applied twice | `watching` |
| I12 | a snapshot equals the replay | `snapshots` |
| I13 | nothing comes after a token that stands for it | `watching` |
| I14 | watchers end with the truth | |
| I15 | users are apart | `privacy` |
| I16 | results are whole | `keeping` |
| I17 | each move makes one notification; unread counts are true | `notifications` |
| I18 | it gets quiet in time (`check_quiet`) | `progress` |
| I19 | nothing is leaked (`check_leaks`) | |
| I20 | no secret in logs and errors (`find_secrets`) | `privacy` |
| I21 | flows and counts are what the jobs say (`find_mends`) | `flows` |
| I22 | usage is what the jobs and the books say | `usage` |
| I23 | each view shows what the newest wish put there | `views` |
| I24 | each delivery comes at least once, with one id | `deliveries` |
| I25 | nothing is served after a share's end | `shares` |
| I27 | no job starts in a paused queue, and a drained worker ends | `pauses` |

It trusts nothing of what it checks: the ledger is the provider's, the frames are as they were on
the wire, and the legal moves are drawn anew.
"""

from tests.crash.checker.accepting import (
    a_request_makes_one_job,
    accepted_jobs_exist,
    jobs_end_once,
)
from tests.crash.checker.books import the_books_are_right
from tests.crash.checker.deliveries import deliveries_come_at_least_once
from tests.crash.checker.evidence import NEVER_RESUBMIT, Check, Evidence, Violation
from tests.crash.checker.final import Final, collect
from tests.crash.checker.flows import find_mends, flows_say_what_the_jobs_say
from tests.crash.checker.keeping import results_are_whole
from tests.crash.checker.money import (
    a_free_cancel_stays_free,
    a_job_is_paid_once,
    a_submission_is_paid_once,
    intents_come_first,
    known_operations_are_only_polled,
)
from tests.crash.checker.notifications import each_move_makes_one_notification
from tests.crash.checker.pauses import a_paused_queue_starts_nothing
from tests.crash.checker.privacy import errors_tell_no_secret, find_secrets, users_are_apart
from tests.crash.checker.progress import Holdings, check_leaks, check_quiet
from tests.crash.checker.shares import nothing_is_served_after_a_share_s_end
from tests.crash.checker.snapshots import snapshots_equal_replays
from tests.crash.checker.usage import usage_is_what_the_jobs_say
from tests.crash.checker.views import views_follow_the_newest_wish
from tests.crash.checker.watching import (
    nothing_is_applied_twice,
    revisions_rise_by_one,
    tokens_stand_for_what_was_said,
    watchers_end_with_the_truth,
)
from tests.crash.history import Line

__all__ = [
    "Final",
    "Holdings",
    "Violation",
    "check",
    "check_leaks",
    "check_quiet",
    "collect",
    "find_mends",
    "find_secrets",
]

CHECKS: dict[str, Check] = {
    "I1": accepted_jobs_exist,
    "I2": a_request_makes_one_job,
    "I3": jobs_end_once,
    "I4": a_submission_is_paid_once,
    "I5": a_job_is_paid_once,
    "I6": intents_come_first,
    "I7": known_operations_are_only_polled,
    "I8": the_books_are_right,
    "I9": a_free_cancel_stays_free,
    "I10": revisions_rise_by_one,
    "I11": nothing_is_applied_twice,
    "I12": snapshots_equal_replays,
    "I13": tokens_stand_for_what_was_said,
    "I14": watchers_end_with_the_truth,
    "I15": users_are_apart,
    "I16": results_are_whole,
    "I17": each_move_makes_one_notification,
    "I20": errors_tell_no_secret,
    "I21": flows_say_what_the_jobs_say,
    "I22": usage_is_what_the_jobs_say,
    "I23": views_follow_the_newest_wish,
    "I24": deliveries_come_at_least_once,
    "I25": nothing_is_served_after_a_share_s_end,
    "I27": a_paused_queue_starts_nothing,
}


def check(history: list[Line], final: Final, policy: str = NEVER_RESUBMIT) -> list[Violation]:
    """Every violation that the history and its end show, by invariant."""
    evidence = Evidence(history, final, policy)
    return [
        Violation(name, finding.message, tuple(finding.trace))
        for name, check_one in CHECKS.items()
        for finding in check_one(evidence)
    ]
