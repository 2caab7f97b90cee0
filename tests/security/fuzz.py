"""Fuzzes one parser, guided by coverage: `python -m tests.security.fuzz NAME SECONDS`.

It begins with the parser's corpus. It ends with 0 when no input made the parser fail. Else it
writes the input to `.fuzz/NAME-...`, which belongs into the corpus with the mend.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["core", "server", "workers", "PIL", "tests.security"]):
    from tests.security.parsers import CORPUS, PARSERS

ROOT = Path(__file__).parents[2]
MOST_BYTES = 8192
# Of one input.
SECONDS, MEGABYTES = 20, 2048


def main(name: str, seconds: int) -> None:
    """Runs for so long."""
    found = ROOT / ".fuzz"
    found.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as grown:
        options = [
            f"-max_total_time={seconds}",
            f"-max_len={MOST_BYTES}",
            f"-timeout={SECONDS}",
            f"-rss_limit_mb={MEGABYTES}",
            f"-artifact_prefix={found / name}-",
            "-print_final_stats=1",
        ]
        # What covers more is added to the first folder.
        atheris.Setup([sys.argv[0], *options, grown, str(CORPUS / name)], PARSERS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
