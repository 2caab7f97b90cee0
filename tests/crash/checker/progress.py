"""I18 and I19: it gets quiet again in time, and nothing is left behind."""

from dataclasses import asdict, dataclass

from tests.crash.checker.evidence import Violation


def check_quiet(seconds: float, bound: float, unfinished: int = 0) -> list[Violation]:
    """I18: after the last fault every job ends within the bound; safety alone would be easy."""
    if unfinished == 0 and seconds <= bound:
        return []
    line = {"kind": "quiet", "seconds": seconds, "bound": bound, "unfinished": unfinished}
    return [Violation("I18", "it did not get quiet in time", (line,))]


@dataclass(frozen=True)
class Holdings:
    """What an installation holds at one moment, counted by the runner."""

    descriptors: int = 0
    threads: int = 0
    database_connections: int = 0
    valkey_clients: int = 0


def check_leaks(before: Holdings, after: Holdings, slack: int = 8) -> list[Violation]:
    """I19: when all watchers have left, each count is back where it was, give or take `slack`.

    `before` is taken after a first bit of load: pools and threads that are made once are no leak.
    """
    found = []
    now = asdict(after)
    for name, count in asdict(before).items():
        if now[name] > count + slack:
            line = {"kind": "holdings", "what": name, "before": count, "after": now[name]}
            found.append(Violation("I19", f"{name} leaked", (line,)))
    return found
