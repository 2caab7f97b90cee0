"""The state machine, exhaustively, and the JSON that events keep of a job."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Reason
from core.jobs import (
    MOVES,
    TERMINAL,
    UNFINISHED,
    Cost,
    CostState,
    EventType,
    IllegalMove,
    Job,
    JobFailure,
    Progress,
    Stage,
    State,
    move,
    progress_to_json,
)
from core.media import Media, MediaType
from core.specs import ImageSpec, VideoSpec
from tests.decoding import job_from_json, progress_from_json
from tests.making import job_value
from tests.steady import STEADY

EVERY_MOVE = list(itertools.product([None, *State], EventType))

words = st.text(min_size=1, max_size=20)
maybe_words = st.text(max_size=20)
counts = st.integers(0, 2**53)
maybe_counts = st.none() | counts
labels = st.dictionaries(words, words, max_size=3)
media = st.builds(
    Media,
    media_id=words,
    user_id=words,
    job_id=maybe_words,
    output_index=st.integers(0, 3),
    type=st.sampled_from(MediaType),
    mime_type=words,
    size_bytes=counts,
    sha256=words,
    width=counts,
    height=counts,
    duration_ms=maybe_counts,
    blob_key=words,
    thumbnail_key=maybe_words,
    title=maybe_words,
    seed=maybe_counts,
    cost_micros=maybe_counts,
    labels=labels,
    starred=st.booleans(),
    create_time=counts,
    delete_time=maybe_counts,
)
videos = st.builds(
    VideoSpec,
    prompt=words,
    model=words,
    duration_ms=counts,
    aspect_ratio=words,
    resolution=words,
    output_count=st.integers(1, 4),
    seed=maybe_counts,
    audio=st.none() | st.booleans(),
    first_frame=st.none() | words,
    references=st.lists(words, max_size=3).map(tuple),
)
images = st.builds(
    ImageSpec,
    prompt=words,
    model=words,
    aspect_ratio=words,
    size=words,
    seed=maybe_counts,
    references=st.lists(words, max_size=3).map(tuple),
    mask=st.none() | words,
)
progresses = st.builds(
    Progress,
    stage=st.sampled_from(Stage),
    percent=st.integers(0, 100),
    estimated=st.booleans(),
    message=maybe_words,
    remaining_ms=maybe_counts,
)
jobs = st.builds(
    Job,
    job_id=words,
    user_id=words,
    spec=videos | images,
    state=st.sampled_from(State),
    progress=progresses,
    cost=st.builds(
        Cost,
        state=st.sampled_from(CostState),
        estimated_micros=counts,
        actual_micros=maybe_counts,
        price_revision=maybe_words,
    ),
    provider=words,
    failure=st.none()
    | st.builds(JobFailure, reason=st.sampled_from(Reason), message=words, metadata=labels),
    outputs=st.lists(media, max_size=2).map(tuple),
    labels=labels,
    provider_operation=maybe_words,
    attempt=counts,
    revision=counts,
    cancel_request_time=maybe_counts,
    cancel_reason=maybe_words,
    cancel_saves_cost=st.booleans(),
    retry_of=maybe_words,
    request_id=maybe_words,
    final_prompt=maybe_words,
    create_time=counts,
    start_time=maybe_counts,
    end_time=maybe_counts,
    start_deadline=maybe_counts,
    finish_deadline=maybe_counts,
)


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


@pytest.mark.parametrize(("state", "event"), EVERY_MOVE)
def test_a_move_is_in_the_table_or_illegal(state: State | None, event: EventType) -> None:
    if (state, event) in MOVES:
        assert move(state, event) is MOVES[state, event]
    else:
        with pytest.raises(IllegalMove):
            move(state, event)


@pytest.mark.parametrize(("state", "event"), [m for m in EVERY_MOVE if m[0] in TERMINAL])
def test_nothing_leads_out_of_a_terminal_state(state: State, event: EventType) -> None:
    assert state.terminal
    if state is not State.SUCCEEDED and event is EventType.UPDATED:
        # Its cost was settled afterwards.
        assert move(state, event) is state
        return
    with pytest.raises(IllegalMove):
        move(state, event)


def test_only_a_new_job_is_queued() -> None:
    assert [m for m in MOVES if m[0] is None] == [(None, EventType.QUEUED)]
    assert [m for m in MOVES if m[1] is EventType.QUEUED] == [(None, EventType.QUEUED)]


def test_every_state_can_be_reached() -> None:
    reached: set[State | None] = {None}
    while more := {after for (before, _), after in MOVES.items() if before in reached} - reached:
        reached |= more
    assert reached == {None, *State}


@pytest.mark.parametrize("state", sorted(UNFINISHED))
def test_every_unfinished_job_can_fail_and_be_cancelled(state: State) -> None:
    assert not state.terminal
    assert move(state, EventType.FAILED) is State.FAILED
    assert move(state, EventType.CANCELLED) is State.CANCELLED


@pytest.mark.parametrize("event", [e for e in EventType if e.name in State.__members__])
def test_an_event_named_like_a_state_leads_to_it(event: EventType) -> None:
    assert {after for (_, e), after in MOVES.items() if e is event} == {State[event.name]}


@settings(STEADY, max_examples=40)
@given(jobs)
def test_a_job_comes_back_from_json_as_it_was(job: Job) -> None:
    assert job_from_json(through_json(job.to_json())) == job


@STEADY
@given(progresses)
def test_progress_comes_back_from_json_as_it_was(progress: Progress) -> None:
    assert progress_from_json(through_json(progress_to_json(progress))) == progress


def test_the_json_of_a_job_leaves_out_what_is_unset() -> None:
    values = job_value().to_json()
    assert values.keys() & {"failure", "end_time", "labels", "cancel_reason"} == set()


def test_the_kind_of_a_job_is_that_of_its_spec() -> None:
    assert job_value().kind == "video"
