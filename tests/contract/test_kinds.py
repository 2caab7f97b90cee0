"""The table of job kinds, and the registries of server and workers that are keyed by it."""

import dataclasses

import pytest

from core.catalog.models import Model
from core.kinds import KINDS, JobKind, RecordResult, queues
from rushes.v1 import job_pb2
from server.mapping.specs import RESULTS, SPECS
from server.validation.specs import READERS
from workers.runs.results import MAKERS

ALL = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)


@ALL
def test_an_entry_agrees_with_its_name_its_spec_and_the_contract(kind: JobKind) -> None:
    assert KINDS[kind.name] is kind
    assert kind.spec.kind == kind.name
    fields = {field.name for field in job_pb2.Job.DESCRIPTOR.oneofs_by_name["spec"].fields}
    assert kind.name in fields


@ALL
def test_a_kind_that_models_render_has_its_abilities_in_the_catalog(kind: JobKind) -> None:
    fields = {field.name for field in dataclasses.fields(Model)}
    assert (kind.name in fields) is (kind.rendering is not None)


@ALL
def test_a_kind_can_be_asked_for_and_shown(kind: JobKind) -> None:
    assert kind.name in READERS
    assert kind.name in SPECS


@ALL
def test_a_kind_that_makes_a_record_has_a_field_that_shows_it(kind: JobKind) -> None:
    assert (kind.name in RESULTS) is isinstance(kind.result, RecordResult)


def test_each_kind_that_workers_run_has_a_maker_of_its_result() -> None:
    assert MAKERS.keys() == {kind.name for kind in KINDS.values() if kind.queue}
    assert len(set(queues())) == len(queues())
