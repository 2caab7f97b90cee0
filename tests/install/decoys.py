"""Wheels of version 9999 of every locked package: what a registry may offer on any later day."""

import re
from collections import defaultdict
from importlib.metadata import distributions
from pathlib import Path
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

VERSION = "9999"
# What pip fetches by itself where it builds something.
BUILD_BACK_ENDS = {"pip", "setuptools", "wheel"}


def locked(lock: Path) -> dict[str, set[str]]:
    """The versions of each package in a lock; markers may choose one of several."""
    versions: dict[str, set[str]] = defaultdict(set)
    for name, version in re.findall(r"^([\w.-]+)==([\w.+!-]+)", lock.read_text(), re.MULTILINE):
        versions[canonicalize_name(name)].add(version)
    return versions


def write_decoys(locks: list[Path], folder: Path) -> None:
    """Writes one wheel for each package, with all extras that any installed package asks of it."""
    extras = wanted_extras()
    for name in BUILD_BACK_ENDS.union(*map(locked, locks)):
        write_wheel(folder, name, extras[name])


def wanted_extras() -> dict[str, set[str]]:
    """The extras that the packages of this environment name, by the package that has them."""
    extras: dict[str, set[str]] = defaultdict(set)
    for distribution in distributions():
        for requirement in map(Requirement, distribution.requires or []):
            extras[canonicalize_name(requirement.name)] |= requirement.extras
    return extras


def write_wheel(folder: Path, name: str, extras: set[str]) -> None:
    stem = f"{name.replace('-', '_')}-{VERSION}"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {VERSION}"]
    metadata += [f"Provides-Extra: {extra}" for extra in sorted(extras)]
    wheel = ["Wheel-Version: 1.0", "Root-Is-Purelib: true", "Tag: py3-none-any"]
    names = [f"{stem}.dist-info/{file}" for file in ("METADATA", "WHEEL", "RECORD")]
    contents = [metadata, wheel, [f"{file},," for file in names]]
    with ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        for file, lines in zip(names, contents, strict=True):
            archive.writestr(file, "\n".join(lines) + "\n")
