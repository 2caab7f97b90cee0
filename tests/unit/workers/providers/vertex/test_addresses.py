from typing import Any

import pytest

from core.errors import SettingsInvalid
from core.process.settings import Settings, read_settings
from workers.providers.vertex.addresses import Addresses, short_name

NAME = "projects/p/locations/{}/publishers/google/models/veo-3.1-generate-001/operations/4a45-fe"


def settings_of(**values: Any) -> Settings:
    return read_settings(**{"vertex_project": "p", **values})


def addresses(**values: Any) -> Addresses:
    return Addresses.of(settings_of(**values))


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("us-central1", "https://us-central1-aiplatform.googleapis.com"),
        ("global", "https://aiplatform.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_an_operation_is_asked_for_where_it_runs(location: str, host: str) -> None:
    model = "publishers/google/models/veo-3.1-generate-001"
    expected = f"{host}/v1beta1/projects/p/locations/{location}/{model}:fetchPredictOperation"
    assert addresses(vertex_location="asia-east1").ask(NAME.format(location)) == expected


def test_another_address_is_asked_instead() -> None:
    asked = addresses(vertex_base_url="https://proxy.example/vertex/").ask(NAME.format("global"))
    assert asked is not None
    assert asked.startswith("https://proxy.example/vertex/v1beta1/projects/p/")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "simulated-1",
        NAME.format("evil.example/x#"),
        NAME.format("us-central1") + "/../../x",
        NAME.format("us-central1") + "\n",
        NAME.format("us-central1").replace("/operations/", "/operation/"),
    ],
)
def test_what_is_no_operation_of_vertex_is_never_asked_for(name: str) -> None:
    assert addresses().ask(name) is None


def test_users_see_an_operation_without_project_and_location() -> None:
    assert short_name(NAME.format("global")) == "4a45-fe"


def test_each_submission_has_a_folder_of_its_own() -> None:
    assert addresses(vertex_output_uri="gs://films/veo/").folder("job.1") == "gs://films/veo/job.1/"
    assert addresses().folder("job.1") is None


def test_an_object_of_our_bucket_is_downloaded_by_its_name() -> None:
    url = addresses(vertex_output_uri="gs://films/veo").object("gs://films/veo/a b/sample_0.mp4")
    name = "veo%2Fa%20b%2Fsample_0.mp4"
    assert url == f"https://storage.googleapis.com/storage/v1/b/films/o/{name}?alt=media"


@pytest.mark.parametrize(
    "uri", ["", "gs://films", "gs://other/x.mp4", "https://films/x", "gs://../x"]
)
def test_no_other_object_is_downloaded(uri: str) -> None:
    assert addresses(vertex_output_uri="gs://films/veo").object(uri) is None


def test_without_a_bucket_no_object_is_downloaded() -> None:
    assert addresses().object("gs://films/x.mp4") is None


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("vertex_output_uri", "films/veo"),
        ("vertex_output_uri", "https://films"),
        ("vertex_project", "p/../q"),
        ("vertex_location", "evil.example/x#"),
    ],
)
def test_what_can_not_be_used_is_refused_by_name(setting: str, value: str) -> None:
    with pytest.raises(SettingsInvalid, match=f"RUSHES_{setting.upper()}"):
        addresses(**{setting: value})
