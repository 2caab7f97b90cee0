"""`python -m standalone`."""

import sys

INTERRUPTED = 130


def main() -> int:
    """Runs everything, and returns the exit code. Prints a sentence, not a traceback, for what a
    person can fix."""
    try:
        from standalone.run import up
    except ImportError as error:
        print(
            f"rushes: the installed libraries do not fit together ({error}); "
            "remove the .venv folder and run `make up` again.",
            file=sys.stderr,
        )
        return 1
    return up()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
