"""The command line of Rushes, an extra: `pip install rushes[cli]`."""

import sys


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    try:
        from rushes.cli.app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich", "jwt"):
            raise
        sys.exit("The command line needs more packages: pip install 'rushes[cli]'")
    sys.exit(run())
