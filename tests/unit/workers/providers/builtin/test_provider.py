"""The provider around the renderer: what of a job it draws."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.specs import ImageSpec
from core.store import Database
from tests.making import accepted
from workers.providers.builtin.provider import BuiltinProvider


class Unwatched:
    """Implements workers.providers.Monitor for nobody."""

    def stopping(self) -> bool:
        return False

    def report(self, *_: Any) -> None:
        return


def test_a_job_is_drawn_with_its_templates(
    db: Database, image_spec: Callable[..., ImageSpec], tmp_path: Path
) -> None:
    # Given a job whose final prompt has more words than its own
    spec = image_spec("a boat", seed=7)
    job = accepted(db, spec=spec, final_prompt="a boat\nStyle: black and white.").job

    def drawn(name: str, prompt: str) -> bytes:
        path = tmp_path / name
        as_is = dataclasses.replace(job, final_prompt=prompt)
        BuiltinProvider().fetch(as_is, "", 0, path, lambda _: b"", Unwatched())
        return path.read_bytes()

    # Then they are drawn too; a job of an older version has only its prompt
    assert drawn("with.png", job.final_prompt) != drawn("without.png", "a boat")
    assert drawn("old.png", "") == drawn("again.png", "a boat")
