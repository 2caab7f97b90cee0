import dataclasses
from datetime import date
from pathlib import Path

import pytest

from core.catalog.ability import Ability, Price
from core.catalog.models import DAY_MS, Catalog, Model, read_catalog
from core.errors import ModelRetired, SettingsInvalid
from core.kinds import KINDS
from tests.making import IMAGE, VIDEO

ONE_MODEL = """
[m]
provider = "openai"
display_name = "M"
price_revision = "1"
[m.image]
aspect_ratios = ["16:9"]
resolutions = ["1024x1024", "1536x1024"]
max_output_count = 1
max_references = 0
fields = ["seed"]
qualities = ["DRAFT"]
cancellable = true
prices = [{ micros_per_image = 5, text = "cheap" }]
"""
ONE_VIDEO = (
    ONE_MODEL.replace("image", "video")
    .replace("1024x1024", "720p")
    .replace("1536x1024", "4K")
    .replace("per_video", "per_second")
    .replace("cancellable", "durations = [4, 6]\ndefault_duration = 4\ncancellable")
)
ABILITY = Ability(
    aspect_ratios=("1:1",),
    resolutions=("720p",),
    max_output_count=1,
    max_references=0,
    fields=(),
    qualities=("DRAFT",),
    cancellable=True,
    prices=(Price(text="", micros_per_second=300, micros_per_image=40),),
)
END = date(2026, 6, 30)
END_MS = 1_782_777_600_000


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


def ending(name: str = "old") -> Model:
    return dataclasses.replace(model(name, "DRAFT"), shutdown_time=END, replacement="new")


def at(now_ms: int, *models: Model) -> Catalog:
    return Catalog(models, lambda: now_ms)


@pytest.mark.parametrize("quality", ["", "DRAFT", "STANDARD", "HIGH"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_the_built_in_models_are_the_default_of_every_quality(kind: str, quality: str) -> None:
    # Even where every provider has its key: nobody pays without naming a model
    found = read_catalog(None).default(kind, quality)
    assert found is not None
    assert found.model == f"builtin-{kind}"


@pytest.mark.parametrize("quality", ["", "DRAFT", "STANDARD", "HIGH"])
def test_a_simulator_is_never_taken_for_a_request_that_names_no_model(quality: str) -> None:
    catalog = read_catalog(None)
    play = Catalog(m for m in catalog.models.values() if m.provider == "simulator")

    assert play.names("video") == ["simulator-video"]
    assert [play.default(kind, quality) for kind in KINDS] == [None, None]


def test_a_model_whose_provider_lacks_a_setting_is_known_but_not_offered(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(ONE_MODEL)

    catalog = read_catalog(tmp_path / "models.toml", {"openai": "RUSHES_P_KEY"})

    assert catalog.models["m"].unavailable_reason(0) == "needs RUSHES_P_KEY"
    assert catalog.names("image") == []
    assert catalog.default("image", "") is None


def test_a_catalog_of_ones_own_takes_the_place_of_the_packaged_one(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(ONE_MODEL)

    catalog = read_catalog(tmp_path / "models.toml")

    assert list(catalog.models) == ["m"]
    assert catalog.get("builtin-video") is None


def test_what_an_entry_does_not_say_has_a_usual_value(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(ONE_MODEL)
    found = read_catalog(tmp_path / "models.toml").models["m"]

    assert (found.provider_model, found.poll_seconds, found.typical_seconds) == ("m", 30, 0)
    assert found.queue_of("image") == "image"
    assert not found.retired(2**62)
    assert found.warnings(2**62) == ()


def test_an_entry_says_how_its_model_is_called_asked_and_queued(tmp_path: Path) -> None:
    more = 'provider_model = "m-001"\nqueue = "slow-1"\npoll_seconds = 2\ntypical_seconds = 1.5'
    (tmp_path / "models.toml").write_text(ONE_MODEL.replace("[m]", f"[m]\n{more}"))
    catalog = read_catalog(tmp_path / "models.toml")
    found = catalog.models["m"]

    assert (found.provider_model, found.poll_seconds, found.typical_seconds) == ("m-001", 2, 1.5)
    assert found.queue_of("image") == "slow-1"
    assert catalog.queues == ("video", "image", "slow-1")


def test_the_first_model_that_fits_a_quality_is_its_default() -> None:
    catalog = Catalog([model("a", "DRAFT"), model("b", "DRAFT", "HIGH"), model("c", "HIGH")])

    def name(kind: str, quality: str) -> str | None:
        found = catalog.default(kind, quality)
        return found.model if found else None

    assert name("video", "") == "a"
    assert name("video", "DRAFT") == "a"
    assert name("video", "HIGH") == "b"
    assert name("video", "STANDARD") is None
    assert name("image", "DRAFT") is None


def test_a_retired_model_is_refused_and_no_default() -> None:
    catalog = at(END_MS, ending(), model("new", "DRAFT"))

    assert catalog.names("video") == ["new"]
    assert catalog.default("video", "") is catalog.models["new"]
    with pytest.raises(ModelRetired) as caught:
        catalog.refuse_retired(catalog.models["old"], "models[1]")
    assert caught.value.metadata == {"model": "old", "replacement": "new"}
    assert [v.field for v in caught.value.violations] == ["models[1]"]
    assert "retired on 2026-06-30; use new" in caught.value.message
    catalog.refuse_retired(catalog.models["new"])


@pytest.mark.parametrize(
    ("before", "warned", "retired"),
    [(31 * DAY_MS, False, False), (30 * DAY_MS, True, False), (1, True, False), (0, True, True)],
)
def test_a_model_is_warned_of_for_thirty_days_then_it_is_retired(
    before: int, warned: bool, retired: bool
) -> None:
    catalog = at(END_MS - before, ending(), model("new", "DRAFT"))
    old = catalog.models["old"]

    assert old.retired(catalog.clock()) is retired
    assert [("2026-06-30" in w, "use new" in w) for w in catalog.warnings("old")] == (
        [(True, True)] * warned
    )
    assert catalog.warnings("new") == catalog.warnings("never heard of") == ()


def test_a_model_of_no_kind_has_no_estimate() -> None:
    with pytest.raises(ValueError, match="m makes no image"):
        model("m", "DRAFT").estimate_micros(IMAGE)


def test_without_a_price_nobody_knows_what_it_costs(tmp_path: Path) -> None:
    lines = [line for line in ONE_VIDEO.splitlines() if not line.startswith("prices = ")]
    (tmp_path / "models.toml").write_text("\n".join(lines))
    found = read_catalog(tmp_path / "models.toml").models["m"]
    assert found.estimate_micros(VIDEO) is None
    assert not found.priced


def test_a_price_is_counted_in_whole_micro_units() -> None:
    video = dataclasses.replace(VIDEO, duration_ms=2500, output_count=2)
    image = dataclasses.replace(IMAGE, output_count=3)
    both = model("m", "DRAFT", image=True)

    assert both.estimate_micros(video) == 1500
    assert both.estimate_micros(image) == 120


WRONG: list[tuple[str, str, str, str]] = [
    # what stands there, what stands there instead, the place that is named, what is said of it
    ('provider = "openai"', "", "m.provider", "is missing"),
    ('provider = "openai"', "provider = 3", "m.provider", "string"),
    ('provider = "openai"', 'provider = "x"', "m.provider", "must be one of builtin, simulator"),
    ("[m]", '[m]\ncolour = "red"', "m.colour", "is not a field"),
    ("[m]", '[m]\nmissing_setting = "x"', "m.missing_setting", "is not a field"),
    ("[m]", '[m]\nmodel = "x"', "m.model", "is not a field"),
    ("[m]", '[m]\nqueue = "My Queue"', "m", "queue must be of a-z"),
    ("[m]", "[m]\npoll_seconds = 0", "m.poll_seconds", "greater than 0"),
    ("[m]", '[m]\ntypical_seconds = "long"', "m.typical_seconds", "number"),
    ("[m]", "[m]\ntypical_seconds = -1", "m.typical_seconds", "greater than or equal"),
    ("[m]", "[m]\nby_name_only = 1", "m.by_name_only", "boolean"),
    ("[m]", '[m]\nshutdown_time = "soon"', "m.shutdown_time", "date"),
    ("[m]", "[m]\nshutdown_time = 2026-06-30", "m", "replacement is missing"),
    ("[m]", '[m]\nreplacement = "x"', "m.replacement", "x is no other model"),
    ("[m]", '[m]\nreplacement = "m"', "m.replacement", "m is no other model"),
    ("[m.image]", "[m.sound]", "m.sound", "is not a field"),
    ("[m]", "[m]\nvideo = 3", "m.video", ""),
    ("cancellable", "cancelable", "m.image.cancelable", "is not a field"),
    ("max_output_count = 1", "max_output_count = 0", "m.image.max_output_count", "greater than 0"),
    ("max_output_count = 1", "max_output_count = 1.5", "m.image.max_output_count", "integer"),
    ("max_references = 0", "max_references = true", "m.image.max_references", "integer"),
    ('["16:9"]', "[]", "m.image", "aspect_ratios must not be empty"),
    ('["16:9"]', '["wide"]', "m.image", 'wide must be like "16:9"'),
    ('["16:9"]', '"16:9"', "m.image.aspect_ratios", "array"),
    ('"1024x1024"', '"720p"', "m.image", "720p must be like"),
    ('["seed"]', '["speed"]', "m.image", "fields: speed is none of seed"),
    ('["seed"]', '["mood"]', "m.image", "fields: mood is none of seed"),
    ('["DRAFT"]', '["GOOD"]', "m.image", "qualities: GOOD is none of DRAFT"),
    ("cancellable", "durations = [4]\ndefault_duration = 4\ncancellable", "m.image", "not for im"),
    ("cancellable", "min_side = 9\nmax_side = 8\ncancellable", "m.image", "min_side must not"),
    ("[{ micros", "[5, { micros", "m.image.prices[0]", ""),
    ("prices = [", "price = [", "m.image.price", "is not a field"),
    ("_image = 5", "_image = -5", "m.image.prices[0].micros_per_image", "greater than or equal"),
    ("_image = 5", "_image = 0.5", "m.image.prices[0].micros_per_image", "integer"),
    ("micros_per_image = 5, ", "", "m.image", "prices[0] needs micros_per_image"),
    ("micros_per_image", "micros_per_second", "m.image", "prices[0] needs micros_per_image"),
    ("text =", "words =", "m.image.prices[0].words", "is not a field"),
    ("text =", 'qualities = ["HIGH"], text =', "m.image", "prices: qualities: HIGH is none of"),
    ("text =", 'resolutions = ["2K"], text =', "m.image", "prices: resolutions: 2K is none of"),
    (
        "cancellable",
        "token_prices = { words = 1 }\ncancellable",
        "m.image",
        "words is none of text",
    ),
    ("cancellable", 'rules = [{ field = "mask" }]\ncancellable', "m.image", "mask is none of seed"),
]


@pytest.mark.parametrize(("old", "new", "place", "said"), WRONG)
def test_a_wrong_entry_is_named_with_file_model_and_field(
    tmp_path: Path, old: str, new: str, place: str, said: str
) -> None:
    assert old in ONE_MODEL
    path = tmp_path / "my models.toml"
    path.write_text(ONE_MODEL.replace(old, new, 1))

    with pytest.raises(SettingsInvalid) as caught:
        read_catalog(path)
    assert f"models file {path}: {place}: " in caught.value.message
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("durations = [4, 6]\ndefault_duration = 4\n", "", "durations is missing"),
        ("default_duration = 4", "default_duration = 5", "default_duration must be one of"),
        ("default_duration = 4\n", "", "default_duration must be one of"),
        ("[4, 6]", "{ from = 6, to = 4 }", "durations is missing"),
        ("[4, 6]", "{ from = 1 }", "m.video.durations"),
        ("[4, 6]", "[4, -6]", "m.video.durations[1]"),
        ("cancellable", 'rules = [{ field = "seed", needs = ["mask"] }]\ncancellable', "mask is"),
        (
            "cancellable",
            'rules = [{ field = "resolution", resolutions = ["2K"] }]\ncancellable',
            "2K is none of",
        ),
    ],
)
def test_a_wrong_video_entry_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in ONE_VIDEO
    path = tmp_path / "models.toml"
    path.write_text(ONE_VIDEO.replace(old, new, 1))

    with pytest.raises(SettingsInvalid) as caught:
        read_catalog(path)
    assert said in caught.value.message


def test_durations_are_a_list_or_a_span(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    span = ONE_VIDEO.replace("[m", "[n").replace("[4, 6]", "{ from = 3, to = 10 }")
    path.write_text(ONE_VIDEO + span)

    found = read_catalog(path).models
    videos = [m.video.durations for m in found.values() if m.video]

    assert videos == [(4, 6), (3, 4, 5, 6, 7, 8, 9, 10)]


@pytest.mark.parametrize(
    ("end", "said"),
    [("2026-06-29", "n is shut down no later"), ("2026-06-30", "no later"), ("2026-07-01", "")],
)
def test_a_replacement_must_live_longer(tmp_path: Path, end: str, said: str) -> None:
    def entry(name: str, day: str, replacement: str) -> str:
        more = f'[{name}]\nshutdown_time = {day}\nreplacement = "{replacement}"'
        return ONE_MODEL.replace("[m.", f"[{name}.").replace("[m]", more)

    path = tmp_path / "models.toml"
    path.write_text(
        entry("m", "2026-06-30", "n") + entry("n", end, "o") + ONE_MODEL.replace("[m", "[o")
    )
    if not said:
        assert read_catalog(path).models["m"].replacement == "n"
        return
    with pytest.raises(SettingsInvalid, match=said):
        read_catalog(path)


def test_a_replacement_must_make_the_same(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    end = '[m]\nshutdown_time = 2026-06-30\nreplacement = "n"'
    path.write_text(ONE_MODEL.replace("[m]", end) + ONE_VIDEO.replace("[m", "[n"))
    with pytest.raises(SettingsInvalid, match=r"m\.replacement: n makes no image"):
        read_catalog(path)


@pytest.mark.parametrize("content", [b"[m", b"\xff\xfe", b"m = 3", b"m = 'words'", b"m = []"])
def test_a_broken_catalog_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "my models.toml"
    path.write_bytes(content)

    with pytest.raises(SettingsInvalid) as caught:
        read_catalog(path)
    assert str(path) in caught.value.message


def test_a_catalog_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"none\.toml"):
        read_catalog(tmp_path / "none.toml")
