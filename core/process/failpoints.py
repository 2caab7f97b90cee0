"""Named places where the crash suite makes a process die, fail or hang; otherwise they do nothing.

`RUSHES_FAILPOINTS` is a comma-separated list of `name=action`, where the action is `kill` (SIGKILL
of this process), `exception`, or `sleep:<seconds>`. `@<share>` limits a rule to a share of the
hits, `*<count>` to the first hits: `intent.after_commit=kill@0.3,poll.after_get=sleep:2*1`.
"""

import os
import random
import re
import signal
import time
from dataclasses import dataclass

import structlog

from core.errors import SettingsInvalid

log = structlog.get_logger()

NAMES = (
    "accept.before_commit",
    "accept.after_commit",
    "tell.before_publish",
    "tell.after_publish",
    "claim.after",
    "start.after_commit",
    "intent.before_commit",
    "intent.after_commit",
    "submit.before_send",
    "submit.after_answer",
    "journal.after_fsync",
    "operation.after_commit",
    "reconcile.after_commit",
    "adopt.before_commit",
    "poll.after_get",
    "poll.before_commit",
    "fetch.middle",
    "blob.after_put",
    "settle.before_commit",
    "settle.after_commit",
    "cancel.after_commit",
    "delivery.after_send",
    "delivery.before_commit",
    "rescue.middle",
    "watch.before_send",
    "watch.in_snapshot",
    "drain.begin",
    "migrate.middle",
    "purge.after_list",
    "restore.middle",
    "upload.after_keep",
    "upload.before_finish",
)
_RULE = re.compile(
    r"(?P<name>[a-z_.]+)=(?P<action>kill|exception|sleep:(?P<seconds>[0-9.]+))"
    r"(@(?P<share>[0-9.]+))?(\*(?P<count>[0-9]+))?"
)


class FailpointHit(Exception):
    """A failpoint's rule says that it raises."""


@dataclass(slots=True)
class _Rule:
    action: str
    seconds: float
    share: float
    left: int | None


_armed: dict[str, _Rule] = {}


def arm(text: str) -> None:
    """Takes the rules of `RUSHES_FAILPOINTS`; an empty text removes all rules.

    Raises:
        SettingsInvalid: when a rule names no failpoint or no action.
    """
    _armed.clear()
    for part in filter(None, text.split(",")):
        found = _RULE.fullmatch(part.strip())
        if found is None or found["name"] not in NAMES:
            raise SettingsInvalid(f"RUSHES_FAILPOINTS: {part.strip()!r} is no rule")
        _armed[found["name"]] = _Rule(
            action=found["action"].partition(":")[0],
            seconds=float(found["seconds"] or 0),
            share=float(found["share"] or 1),
            left=int(found["count"]) if found["count"] else None,
        )


def hit(name: str) -> None:
    """Marks a place and does what the rule of that name says, if there is one.

    Raises:
        FailpointHit: when the rule's action is `exception`.
    """
    if _armed:
        _act(name)


def _act(name: str) -> None:
    rule = _armed.get(name)
    if rule is None or rule.left == 0 or random.random() >= rule.share:
        return
    if rule.left is not None:
        rule.left -= 1
    log.warning("failpoint_hit", failpoint=name, action=rule.action)
    if rule.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif rule.action == "sleep":
        time.sleep(rule.seconds)
    else:
        raise FailpointHit(name)
