"""`rushes-admin models check`."""

from pathlib import Path

import pytest

from core.catalog.models import models_path
from tests.unit.admin.running import Place


def test_every_model_is_shown_with_what_it_needs_costs_and_when_it_ends(place: Place) -> None:
    said = place.run("models", "check")

    assert (said.code, said.err) == (0, "")
    lines = {line.split()[0]: line for line in said.out.splitlines() if line[0] != " "}
    assert "yes" in lines["builtin-video"]
    assert "0.00 USD free" in lines["builtin-video"]
    assert "builtin 10 s video" in " ".join(lines["builtin-video"].split())
    assert "no: needs RUSHES_VERTEX_PROJECT" in lines["veo-3.1-generate-001"]
    assert "0.40 USD per second at 720p or 1080p with audio" in lines["veo-3.1-generate-001"]
    assert "none: can't be run" in lines["gpt-image-2.6-flare"]
    assert "no: retired on 2026-05-12; use gpt-image-2.5-flare" in lines["dall-e-3"]
    assert "0.055 USD more for each input" in said.out
    assert lines["dall-e-3"].endswith("2026-05-12 -> gpt-image-2.5-flare")
    assert f"{models_path(None)}: 16 models." in said.out
    assert "compare them with those of your provider" in said.out


def test_its_prices_are_in_the_installation_s_currency(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_CURRENCY", "EUR")
    assert "0.00 EUR free" in place.run("models", "check").out


def test_a_wrong_file_is_code_1_and_names_file_model_and_field(
    place: Place, tmp_path: Path
) -> None:
    wrong = tmp_path / "models.toml"
    wrong.write_text(models_path(None).read_text().replace("cancellable", "canceled", 1))

    said = place.run("models", "check", "--file", str(wrong))

    assert (said.code, said.out) == (1, "")
    assert f"models file {wrong}: builtin-video.video.canceled: is not a field" in said.err
    # The file of the settings is still in order.
    assert place.run("models", "check").code == 0


def test_the_file_of_the_settings_is_looked_at(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RUSHES_MODELS_FILE", str(tmp_path / "none.toml"))
    said = place.run("models", "check")
    assert said.code == 1
    assert "none.toml" in said.err


def test_a_default_without_a_price_is_code_1(place: Place, tmp_path: Path) -> None:
    lines = models_path(None).read_text().splitlines()
    priced = next(number for number, line in enumerate(lines) if line.startswith("prices ="))
    own = tmp_path / "models.toml"
    own.write_text("\n".join(lines[:priced] + lines[priced + 1 :]))

    said = place.run("models", "check", "--file", str(own))

    assert said.code == 1
    assert said.err == "builtin-video can't be run without a price: add it.\n"
