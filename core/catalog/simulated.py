"""The words by which a prompt tells the simulator what to do: data.

A word counts where it stands alone, in capitals or not; several may be combined. What each does is
in `workers/providers/simulator/words.py`. The words are here because the server refuses a prompt
that has an unknown one: a misspelt word would do nothing, and the job would be charged.
"""

import re
from enum import StrEnum

_LIKE_A_WORD = re.compile(r"(?<![\w:-])sim:[\w-]+", re.IGNORECASE)


class Word(StrEnum):
    """A word, as it stands in the prompt."""

    UNREACHABLE = "sim:unreachable"
    UNREACHABLE_ONCE = "sim:unreachable-once"
    BUSY_ONCE = "sim:busy-once"
    REJECTED = "sim:rejected"
    FILTERED_PROMPT = "sim:filtered-prompt"
    FILTERED_INPUT = "sim:filtered-input"
    QUOTA = "sim:quota"
    UNAUTHORIZED = "sim:unauthorized"
    LOST_REQUEST_ONCE = "sim:lost-request-once"
    LOST_ANSWER = "sim:lost-answer"
    LOST_ANSWER_LISTED = "sim:lost-answer-listed"
    LATE_ANSWER = "sim:late-answer"
    SLOW = "sim:slow"
    FILTERED = "sim:filtered"
    FILTERED_CHARGED = "sim:filtered-charged"
    TIMEOUT = "sim:timeout"
    VANISH = "sim:vanish"
    BROKEN_FILE = "sim:broken-file"
    DOWNLOAD_FAILS_ONCE = "sim:download-fails-once"
    STORAGE_FAILS = "sim:storage-fails"
    KILL_WORKER_ONCE = "sim:kill-worker-once"
    KILL_WORKER = "sim:kill-worker"
    CRASH = "sim:crash"
    NO_CANCEL = "sim:no-cancel"


# What only an operator may allow, because other users' jobs are killed too.
KILLING = frozenset({Word.KILL_WORKER_ONCE, Word.KILL_WORKER})


def words_in(prompt: str) -> frozenset[Word]:
    """The words that the prompt holds."""
    found = _found(prompt)
    return frozenset(word for word in Word if word in found)


def unknown_words(prompt: str) -> list[str]:
    """The texts in the prompt that have the form of a word but are none, each once."""
    return [word for word in _found(prompt) if word not in set(Word)]


def _found(prompt: str) -> dict[str, None]:
    return dict.fromkeys(match.lower() for match in _LIKE_A_WORD.findall(prompt))
