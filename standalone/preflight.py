"""Checks before anything is started. Each refusal is one clear sentence."""

import contextlib
import errno
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from core.process.disk import LOCK, FolderHeld, held

# `rushes-admin restore` leaves this file until the whole backup is in place.
RESTORING = "restoring"
SUBFOLDERS = ("run", "logs", "valkey")
OURS = {LOCK, *SUBFOLDERS, "rushes.db", "blobs", "keys"}
# Files that a mounted volume or a desktop puts into an empty folder.
STRANGERS_ALLOWED = {"lost+found", ".DS_Store"}
MIB = 1024 * 1024
ROOM_BYTES = 50 * MIB
PROBE_BYTES = 256 * 1024
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


class CannotStart(Exception):
    """Rushes can't start here. The message tells people why."""


def check_platform() -> None:
    """Refuses a system that has no unix sockets and signals."""
    if sys.platform not in ("linux", "darwin"):
        raise CannotStart("this runs on Linux and macOS; on Windows, use WSL.")


def prepare_folder(folder: Path) -> None:
    """Makes the data folder and its parts, all of them private (0700).

    Raises:
        CannotStart: when it can't be written, is full, or holds other things.
    """
    with _said(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        names = {path.name for path in folder.iterdir()} - STRANGERS_ALLOWED
        if names and not names & OURS:
            raise CannotStart(
                f"{folder} holds other files and is not a data folder of Rushes; "
                "choose a new or empty one with RUSHES_DATA_DIR."
            )
        if RESTORING in names:
            raise CannotStart(
                f"a restore of {folder} was interrupted; "
                "run `rushes-admin restore FILE --force` again."
            )
        folder.chmod(0o700)
        for name in SUBFOLDERS:
            (folder / name).mkdir(exist_ok=True, mode=0o700)
            (folder / name).chmod(0o700)


def check_room(folder: Path) -> None:
    """Refuses a disk with less than 50 MiB, and one that refuses a write (a quota).

    Raises:
        CannotStart: naming what is free.
    """
    with _said(folder):
        free = shutil.disk_usage(folder).free
        if free < ROOM_BYTES:
            raise CannotStart(_full(folder, free))
        with tempfile.TemporaryFile(dir=folder / "run") as probe:
            probe.write(bytes(PROBE_BYTES))
            probe.flush()
            os.fsync(probe.fileno())


@contextlib.contextmanager
def locked(folder: Path, address: str) -> Iterator[None]:
    """Holds the data folder for this process alone. The kernel releases it however we end.

    Raises:
        CannotStart: naming the process that holds it.
    """
    with contextlib.ExitStack() as stack:
        with _said(folder):
            try:
                stack.enter_context(held(folder, address))
            except FolderHeld as error:
                raise CannotStart(
                    f"Rushes already runs on {folder} ({error.holder}); "
                    "use that one, or choose another folder with RUSHES_DATA_DIR."
                ) from None
        yield


def check_port(port: int, variable: str = "RUSHES_PORT") -> None:
    """Refuses a port that another program uses, on IPv4 or IPv6 loopback.

    Raises:
        CannotStart: saying how to choose another.
    """
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            _bind(family, host, port)
        except PermissionError:
            raise CannotStart(
                f"port {port} needs more rights; choose one above 1023 with {variable}."
            ) from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CannotStart(
                    f"port {port} is taken by another program; "
                    f"choose another one, for example {variable}={_other(port)}."
                ) from None
            if family == socket.AF_INET:
                raise CannotStart(f"port {port} can't be used ({error.strerror}).") from None


def socket_folder(run: Path, longest_name: int) -> Path:
    """The folder for sockets: `run`, or a private folder with a short and plain path.

    A unix socket's path has at most 107 bytes (103 on macOS), and gRPC reads it as part of a URI.
    """
    plain = all(c.isalnum() or c in "/._-" for c in str(run)) and str(run).isascii()
    if plain and len(os.fsencode(run)) + 1 + longest_name <= 100:
        return run
    base = tempfile.gettempdir()
    short = base if len(os.fsencode(base)) + longest_name <= 80 else "/tmp"
    return Path(tempfile.mkdtemp(prefix="rushes-", dir=short))


def free_port() -> int:
    """A loopback port that is free now."""
    return _bind(socket.AF_INET, "127.0.0.1", 0)


def _bind(family: int, host: str, port: int) -> int:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])


def _other(port: int) -> int:
    return port + 1 if port < 65535 else port - 1


@contextlib.contextmanager
def _said(folder: Path) -> Iterator[None]:
    """Turns an error of the file system into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise CannotStart(_full(folder, 0)) from None
        if isinstance(error, FileExistsError | NotADirectoryError):
            raise CannotStart(
                f"{folder} is not a folder; choose another one with RUSHES_DATA_DIR."
            ) from None
        why = (error.strerror or "no reason given").lower()
        raise CannotStart(
            f"the data folder {folder} can't be written ({why}); "
            "choose another one with RUSHES_DATA_DIR."
        ) from None


def _full(folder: Path, free: int) -> str:
    need = ROOM_BYTES // MIB
    return f"the disk of {folder} is full: {free // MIB} MiB are free, {need} MiB are needed."
