"""The keyword arguments of the client: those of the contract, and shown by `help()`."""

import inspect
from typing import Any

import pytest

from rushes import AsyncClient, Client
from rushes.fields import ImageFields, JobFields, LibraryFilter, VideoFields, WatchFilter
from rushes.v1 import media_service_pb2 as pb
from rushes.v1.job_pb2 import ImageSpec, VideoSpec

# Beside: what other arguments give, and what is not built yet.
GROUPS: list[tuple[type, Any, set[str]]] = [
    (VideoFields, VideoSpec, {"prompt"}),
    (ImageFields, ImageSpec, {"prompt"}),
    (JobFields, pb.JobOptions, set()),
    (LibraryFilter, pb.ListMediaRequest, {"page_size", "page_token"}),
    (WatchFilter, pb.WatchJobsRequest, set()),
]
METHODS: list[tuple[str, list[type]]] = [
    ("generate_video", [VideoFields, JobFields]),
    ("submit_video", [VideoFields, JobFields]),
    ("run_video", [VideoFields, JobFields]),
    ("generate_image", [ImageFields, JobFields]),
    ("submit_image", [ImageFields, JobFields]),
    ("run_image", [ImageFields, JobFields]),
    ("generate_recipe", [JobFields]),
    ("submit_recipe", [JobFields]),
    ("retry", [JobFields]),
    ("submit_retry", [JobFields]),
    ("library", [LibraryFilter]),
    ("watch", [WatchFilter]),
]


@pytest.mark.parametrize(("group", "message", "beside"), GROUPS)
def test_a_group_has_the_fields_of_its_message_and_says_what_each_is(
    group: type, message: Any, beside: set[str]
) -> None:
    names = {field.name for field in message.DESCRIPTOR.fields} - beside

    assert set(group.__annotations__) == names
    described = [line.split(":")[0] for line in (inspect.getdoc(group) or "").splitlines()]
    assert names <= set(described)


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize(("name", "groups"), METHODS)
def test_help_spells_out_every_field(client: type, name: str, groups: list[type]) -> None:
    method = getattr(client, name)
    parameters = inspect.signature(method).parameters

    for field in (field for group in groups for field in group.__annotations__):
        assert parameters[field].kind is inspect.Parameter.KEYWORD_ONLY
        assert f"\n{field}: " in (inspect.getdoc(method) or "")
    assert "fields" not in parameters
    assert "wanted" not in parameters
