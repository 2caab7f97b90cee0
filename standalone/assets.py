"""Finds the data files of the one-command run: in the repository, else beside this package."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
PLACES = (PACKAGE.parent, PACKAGE / "data")


def find_asset(name: str) -> Path:
    """The absolute path of a data file, for example `envoy.yaml` or `protos/rushes.binpb`.

    Raises:
        FileNotFoundError: when the installation lacks it.
    """
    for place in PLACES:
        if (place / name).is_file():
            return place / name
    raise FileNotFoundError(f"the installation lacks {name}")
