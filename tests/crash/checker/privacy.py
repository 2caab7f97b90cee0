"""I15 and I20: nobody learns of another, and logs and errors tell no secret."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.crash.checker.evidence import Evidence, Finding, Violation, only
from tests.crash.history import SECRET, is_thief


def users_are_apart(evidence: Evidence) -> Iterator[Finding]:
    """I15: no frame and no answer speaks of another user; another's token opens nothing."""
    for line in evidence.kinds("frame", "answer"):
        others = [name for name in line["names"] if name != line["user"]]
        if others:
            yield Finding(f"{line['user']} was told of {', '.join(others)}", [line])
    stolen = {}
    for line in evidence.kinds("connect", "frame"):
        if line["kind"] == "connect":
            stolen[line["watch"]] = line
        elif is_thief(line["watch"]):
            yield Finding("another user's token was taken", [stolen[line["watch"]], only(line)])


def errors_tell_no_secret(evidence: Evidence) -> Iterator[Finding]:
    """I20, first half: no error, and no job's failure, holds a prompt."""
    for line in evidence.kinds("error", "disconnect"):
        if SECRET in f"{line.get('text')} {line.get('metadata')}":
            yield Finding("an error tells a prompt", [line])
    for line in evidence.jobs_told:
        if SECRET in line["job"]["message"]:
            yield Finding("a job's failure tells a prompt", [line])


def find_secrets(logs: Iterable[Path], keys: Path) -> list[Violation]:
    """I20, second half: no log holds a prompt, or a key of the installation."""
    wanted = {"a prompt": SECRET.encode()}
    for file in sorted(keys.iterdir()):
        wanted[f"the key {file.name}"] = file.read_bytes().strip()
    found = []
    for log in logs:
        for number, text in enumerate(log.read_bytes().splitlines(), 1):
            for what, secret in wanted.items():
                if secret in text:
                    # Not the line itself: this report is a log too.
                    line = {"kind": "log", "file": log.name, "line": number}
                    found.append(Violation("I20", f"a log tells {what}", (line,)))
    return found
