"""Chooses file names for results, and saves them."""

import mimetypes
from pathlib import Path

from rushes import Client
from rushes.cli.exits import Refusal
from rushes.cli.output import note
from rushes.download import check_folder, extension, targets
from rushes.v1.job_pb2 import Job
from rushes.v1.media_pb2 import Media

# The types that models make, by suffix.
_MADE = {
    "image": {
        ".png": "image/png",
        ".jpg": "image/jpeg",
        ".jpeg": "image/jpeg",
        ".webp": "image/webp",
    },
    "video": {".mp4": "video/mp4", ".webm": "video/webm"},
}
_TOLD = {"image": ".png, .jpg or .webp", "video": ".mp4"}
# Only Python's own table: the tables of the machine would make the rule differ between machines.
_KNOWN = mimetypes.MimeTypes()


def image_type(out: Path | None) -> str | None:
    """The MIME type that belongs to an image file's suffix; None for any other suffix."""
    return _MADE["image"].get(out.suffix.lower()) if out else None


def check_out(out: Path | None, kind: str = "") -> None:
    """Refuses a file that can't be made, before money is spent on what goes there.

    kind: "image" or "video"; with it the file's ending is checked too.

    Raises:
        Refusal: when the folder is missing or closed, or the ending is of another type.
    """
    if out is None:
        return
    try:
        check_folder(out)
    except OSError as error:
        raise Refusal(f"--out: {error.strerror}: {error.filename}") from None
    suffix = out.suffix.lower()
    promised, _ = _KNOWN.guess_type(f"x{suffix}", strict=False)
    if kind and promised and suffix not in _MADE[kind] and not out.is_dir():
        what = "an image" if kind == "image" else "a video"
        raise Refusal(f"--out: {what} can't be saved as {suffix}; name a file with {_TOLD[kind]}.")


def save_outputs(client: Client, job: Job, out: Path) -> list[Path]:
    """Saves the outputs of a job at `out`, numbered if several, or in that folder."""
    places = targets(out, job.outputs)
    pairs = zip(job.outputs, places, strict=True)
    return [client.download(media, _by_type(path, media)) for media, path in pairs]


def _by_type(path: Path, media: Media) -> Path:
    """The path; with the media's suffix if its own suffix belongs to another type."""
    made = {**_MADE["image"], **_MADE["video"]}
    promised = made.get(path.suffix.lower())
    if promised is None or media.mime_type == promised:
        return path
    renamed = path.with_suffix(f".{extension(media)}")
    if renamed.exists():
        # The caller did not name that file, and it may be the input of this job.
        note(f"{path} is {media.mime_type}, because {renamed} exists already.")
        return path
    note(f"The result is {media.mime_type}, so it is saved as {renamed} instead of {path}.")
    return renamed
