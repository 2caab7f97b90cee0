"""Whatever bytes come, a parser takes or refuses them.

A usual test run gives each parser its corpus and the same inputs each time. `make attack` gives it
random ones, and FUZZ_SECONDS of inputs that atheris makes where it is installed.
"""

import importlib.util
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.security.parsers import PARSERS, seeds

AT_RANDOM = "ATTACK_EXAMPLES" in os.environ
EXAMPLES = 10 * int(os.environ.get("ATTACK_EXAMPLES", "30"))
SECONDS = int(os.environ.get("FUZZ_SECONDS", "30"))
ROOT = Path(__file__).parents[2]


def changed(data: bytes, chance: random.Random) -> bytes:
    """The bytes with a few accidents."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(len(out) + 1)
        match chance.randrange(5):
            case 0:
                out[at : at + chance.randint(1, 8)] = chance.randbytes(chance.randint(0, 8))
            case 1:
                del out[at:]
            case 2:
                out[at:at] = out[: chance.randint(0, 64)]
            case 3 if at < len(out):
                out[at] ^= 1 << chance.randrange(8)
            case _:  # where a length may stand
                out[at : at + 4] = chance.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff"])
    return bytes(out)


@pytest.mark.parametrize("name", PARSERS)
def test_what_is_kept_is_taken_or_refused(name: str) -> None:
    kept = seeds(name)

    assert kept
    for data in kept:
        PARSERS[name](data)


@pytest.mark.timeout(3600 if AT_RANDOM else 120)
@pytest.mark.parametrize("name", PARSERS)
def test_what_is_nearly_right_is_taken_or_refused(name: str) -> None:
    seed = os.urandom(8).hex() if AT_RANDOM else name
    chance, kept = random.Random(seed), seeds(name)

    for number in range(EXAMPLES):
        data = changed(chance.choice(kept), chance)
        try:
            PARSERS[name](data)
        except BaseException as error:
            raise AssertionError(f"seed {seed}, number {number}: {data!r}") from error


@pytest.mark.skipif(not AT_RANDOM, reason="runs in `make attack`")
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed")
@pytest.mark.timeout(SECONDS * 3 + 120)
@pytest.mark.parametrize("name", PARSERS)
def test_no_bytes_that_atheris_finds_make_a_parser_fail(name: str) -> None:
    command = [sys.executable, "-m", "tests.security.fuzz", name, str(SECONDS)]

    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace")

    assert ran.returncode == 0, ran.stderr[-4000:]
