import dataclasses
from pathlib import Path

import pytest

from core.catalog import Ability, Catalog, Model, Price, read_catalog
from core.errors import SettingsInvalid
from core.specs import Kind
from tests.making import IMAGE, VIDEO

ONE_MODEL = """
[m]
provider = "p"
display_name = "M"
price_revision = "1"
[m.video]
aspect_ratios = ["16:9"]
resolutions = ["720p"]
max_output_count = 1
max_references = 0
fields = []
qualities = ["DRAFT"]
cancellable = true
price = { micros_per_second = 5, text = "cheap" }
"""
ABILITY = Ability(
    aspect_ratios=("1:1",),
    resolutions=("720p",),
    max_output_count=1,
    max_references=0,
    fields=(),
    qualities=("DRAFT",),
    cancellable=True,
    price=Price(text="", micros_per_second=300, micros_per_image=40),
)


def model(name: str, *qualities: str, video: bool = True, image: bool = False) -> Model:
    ability = dataclasses.replace(ABILITY, qualities=qualities)
    return Model(
        model=name,
        provider="p",
        display_name=name,
        price_revision="1",
        video=ability if video else None,
        image=ability if image else None,
    )


def test_the_packaged_catalog_makes_videos_and_images() -> None:
    catalog = read_catalog(None)

    assert catalog.names(Kind.VIDEO) == ["builtin-video", "simulator-video"]
    assert catalog.names(Kind.IMAGE) == ["builtin-image", "simulator-image"]
    video = catalog.get("builtin-video")
    assert video is not None
    assert video.video is not None
    assert list(video.video.durations) == list(range(1, 11))
    assert video.image is None


@pytest.mark.parametrize("quality", ["", "DRAFT", "STANDARD", "HIGH"])
@pytest.mark.parametrize("kind", list(Kind))
def test_the_packaged_catalog_has_a_default_for_every_quality(kind: Kind, quality: str) -> None:
    found = read_catalog(None).default(kind, quality)
    assert found is not None
    assert found.ability(kind) is not None


@pytest.mark.parametrize("quality", ["", "DRAFT", "STANDARD", "HIGH"])
def test_a_simulator_is_never_taken_for_a_request_that_names_no_model(quality: str) -> None:
    catalog = read_catalog(None)
    play = Catalog(m for m in catalog.models.values() if m.provider == "simulator")

    assert play.names(Kind.VIDEO) == ["simulator-video"]
    assert [play.default(kind, quality) for kind in Kind] == [None, None]


def test_a_model_whose_provider_lacks_a_setting_is_known_but_not_offered(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(ONE_MODEL)

    catalog = read_catalog(tmp_path / "models.toml", {"p": "RUSHES_P_KEY"})

    assert catalog.models["m"].missing_setting == "RUSHES_P_KEY"
    assert catalog.names(Kind.VIDEO) == []
    assert catalog.default(Kind.VIDEO, "") is None


def test_a_catalog_of_ones_own_takes_the_place_of_the_packaged_one(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(ONE_MODEL)

    catalog = read_catalog(tmp_path / "models.toml")

    assert list(catalog.models) == ["m"]
    assert catalog.get("builtin-video") is None
    assert list(catalog.models["m"].video.durations) == []  # type: ignore[union-attr]


def test_the_first_model_that_fits_a_quality_is_its_default() -> None:
    catalog = Catalog([model("a", "DRAFT"), model("b", "DRAFT", "HIGH"), model("c", "HIGH")])

    def name(kind: Kind, quality: str) -> str | None:
        found = catalog.default(kind, quality)
        return found.model if found else None

    assert name(Kind.VIDEO, "") == "a"
    assert name(Kind.VIDEO, "DRAFT") == "a"
    assert name(Kind.VIDEO, "HIGH") == "b"
    assert name(Kind.VIDEO, "STANDARD") is None
    assert name(Kind.IMAGE, "DRAFT") is None


def test_a_price_is_rounded_up_never_down() -> None:
    price = Price(text="", micros_per_second=1)
    cheap = dataclasses.replace(
        model("m"), video=dataclasses.replace(ABILITY, price=price), image=None
    )
    video = dataclasses.replace(VIDEO, duration_ms=1001, output_count=3)
    assert cheap.estimate_micros(video) == 6


def test_without_a_price_nobody_knows_what_it_costs(tmp_path: Path) -> None:
    lines = [line for line in ONE_MODEL.splitlines() if not line.startswith("price = ")]
    (tmp_path / "models.toml").write_text("\n".join(lines))
    assert read_catalog(tmp_path / "models.toml").models["m"].estimate_micros(VIDEO) is None


def test_a_price_is_counted_in_whole_micro_units() -> None:
    video = dataclasses.replace(VIDEO, duration_ms=2500, output_count=2)
    image = dataclasses.replace(IMAGE, output_count=3)
    both = model("m", "DRAFT", image=True)

    assert both.estimate_micros(video) == 1500
    assert both.estimate_micros(image) == 120
    with pytest.raises(ValueError, match="m makes no image"):
        model("m", "DRAFT").estimate_micros(image)


@pytest.mark.parametrize(
    "content",
    [
        b"[m",
        b"\xff\xfe",
        b"m = 3",
        b"m = 'video'",
        b"m = 'words'",
        b"m = []",
        b"[m]\nvideo = 3",
        ONE_MODEL.replace('provider = "p"', "").encode(),
        ONE_MODEL.replace("price = {", "prize = {").encode(),
        ONE_MODEL.replace("text =", "words =").encode(),
        ONE_MODEL.replace("cancellable", "cancelable").encode(),
        ONE_MODEL.replace(
            'price = { micros_per_second = 5, text = "cheap" }', "price = 5"
        ).encode(),
        ONE_MODEL.replace("[m]", "[m]\ncolour = 'red'").encode(),
    ],
)
def test_a_broken_catalog_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "my models.toml"
    path.write_bytes(content)

    with pytest.raises(SettingsInvalid) as caught:
        read_catalog(path)
    assert str(path) in caught.value.message


def test_a_wrong_entry_is_named(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text(ONE_MODEL + ONE_MODEL.replace("[m", "[other").replace("max_output_count", "x"))

    with pytest.raises(SettingsInvalid, match=r"models\.toml: other: "):
        read_catalog(path)


def test_a_catalog_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"none\.toml"):
        read_catalog(tmp_path / "none.toml")
