"""The command line of Rushes: the extra `cli` of this distribution."""

import sys


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    try:
        from rushes.cli.app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich", "jwt"):
            raise
        sys.exit(
            "The command line needs more packages. "
            "In a clone of Rushes: pip install './clients/python[cli]'"
        )
    sys.exit(run())
