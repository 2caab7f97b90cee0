"""The files: small, real, the same for the same seed."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.catalog.models import read_catalog
from core.errors import ImageRefused
from tests.making import IMAGE, VIDEO
from workers.providers.simulator.files import NO_MEDIA, make_file
from workers.runs.results.media import probe_result


@pytest.mark.parametrize(
    ("ratio", "resolution", "size"),
    [("16:9", "720p", (1280, 720)), ("9:16", "360p", (360, 640)), ("1:1", "480p", (480, 480))],
)
def test_a_video_has_the_size_and_the_length_asked_for(
    tmp_path: Path, ratio: str, resolution: str, size: tuple[int, int]
) -> None:
    path = tmp_path / "file"
    spec = replace(VIDEO, aspect_ratio=ratio, resolution=resolution, duration_ms=3000)

    make_file(spec, 7, path)

    found = probe_result(path)

    assert (found.mime_type, found.width, found.height) == ("video/mp4", *size)
    assert found.duration_ms == 3000
    assert found.thumbnail


@pytest.mark.parametrize("mime_type", ["image/png", "image/jpeg", "image/webp"])
def test_an_image_has_the_size_and_the_type_asked_for(tmp_path: Path, mime_type: str) -> None:
    path = tmp_path / "file"

    make_file(replace(IMAGE, size="300x200", output_mime_type=mime_type), 7, path)

    found = probe_result(path)
    assert (found.mime_type, found.width, found.height) == (mime_type, 300, 200)


@pytest.mark.parametrize("spec", [VIDEO, IMAGE])
def test_the_seed_decides_the_bytes(tmp_path: Path, spec: object) -> None:
    paths = [tmp_path / name for name in "abc"]
    for path, seed in zip(paths, (1, 1, 2), strict=True):
        make_file(spec, seed, path)  # type: ignore[arg-type]

    first, same, other = (path.read_bytes() for path in paths)
    assert first == same
    assert first != other


def test_every_size_that_the_catalog_offers_can_be_made(tmp_path: Path) -> None:
    models = read_catalog(None).models
    ability = models["simulator-video"].video
    assert ability is not None
    for ratio in ability.aspect_ratios:
        for resolution in ability.resolutions:
            spec = replace(VIDEO, aspect_ratio=ratio, resolution=resolution, duration_ms=1)
            make_file(spec, 1, tmp_path / "file")
    ability = models["simulator-image"].image
    assert ability is not None
    for side in (ability.min_side, ability.max_side):
        make_file(replace(IMAGE, size=f"{side}x{side}"), 1, tmp_path / "file")


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(NO_MEDIA)
    with pytest.raises(ImageRefused):
        probe_result(tmp_path / "file")
