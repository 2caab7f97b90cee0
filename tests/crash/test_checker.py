"""The checker says nothing of a good run, and names what was broken in a bad one, briefly."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.checker import (
    Holdings,
    Violation,
    check_leaks,
    check_quiet,
    find_mends,
    find_secrets,
)
from tests.crash.history import Line, Recorder
from tests.crash.story import OTHER, PRICE, RESET, SYNCED, UNREAD, USER, WATCH, Told, current


@pytest.fixture
def told() -> Told:
    return Told()


def expect(told: Told, invariant: str, lines: int, policy: str = "never_resubmit") -> Violation:
    """That invariant alone is named, and the first trace has that many lines."""
    found = told.story.check(policy)
    assert {violation.invariant for violation in found} == {invariant}, list(map(str, found))
    assert len(found[0].trace) == lines, str(found[0])
    assert str(found[0]).startswith(f"{invariant}: ")
    return found[0]


def test_a_good_story_breaks_nothing(told: Told) -> None:
    assert told.story.check() == []


def test_an_accepted_job_that_is_gone_is_i1(told: Told) -> None:
    line = told.line("answer")
    lost = {**line, "request_id": "r-b", "job": {**line["job"], "job_id": "b"}}
    told.story.history.append(lost)
    expect(told, "I1", 1)


def test_a_job_that_nobody_asked_for_is_i1(told: Told) -> None:
    told.drop(told.line("call"))
    expect(told, "I1", 1)


def test_two_answers_for_one_request_are_i2(told: Told) -> None:
    told.story.submit(USER, "b")
    told.story.history = told.story.history[:-1]
    answer = told.line("answer")
    told.story.history.append({**answer, "job": {**answer["job"], "job_id": "b"}})
    assert "I2" in {violation.invariant for violation in told.story.check()}


def test_a_conflict_for_the_same_request_is_i2(told: Told) -> None:
    told.story.say("error", call=9, user=USER, method="GenerateImage", reason="REQUEST_ID_CONFLICT")
    expect(told, "I2", 1)


def test_a_job_that_does_not_end_is_i3(told: Told) -> None:
    told.story.submit(OTHER, "b")
    violation = expect(told, "I3", 2)
    assert "not ended" in violation.message


def test_a_job_that_ends_twice_is_i3(told: Told) -> None:
    again = told.story.move("a", "SUCCEEDED")
    told.story.history.pop()
    told.tell(again)
    expect(told, "I3", 2)


def test_a_job_that_leaves_its_end_is_i3(told: Told) -> None:
    told.story.history.pop()
    told.tell(told.story.move("a", "STARTED"))
    told.tell(told.story.move("a", "SUCCEEDED"))
    assert "from SUCCEEDED to RUNNING" in expect(told, "I3", 2).message


def test_an_attempt_that_falls_is_i3(told: Told) -> None:
    told.story.final.event[1]["job"]["attempt"] = 5
    expect(told, "I3", 2)


def test_an_end_that_was_told_and_did_not_stand_is_i3(told: Told) -> None:
    answer = told.line("answer")
    failed = {**answer, "method": "GetJob", "job": {**answer["job"], "state": "FAILED"}}
    told.story.history.append(failed)
    expect(told, "I3", 2)


def test_a_submission_that_is_paid_twice_is_i4_and_i5(told: Told) -> None:
    told.intent["outcome_time"] = told.story.pay("a")["time"]
    told.story.final.ledger[-1]["micros"] = 0
    found = told.story.check()
    assert [violation.invariant for violation in found] == ["I4", "I5"]
    assert len(found[0].trace) == 2


def test_a_job_that_is_paid_twice_is_i5(told: Told) -> None:
    told.story.intend("a", 2)
    told.intent |= {"outcome": "UNKNOWN", "operation": ""}
    told.story.pay("a", 2)["micros"] = 0
    expect(told, "I5", 4)


def test_a_job_that_is_sent_again_while_at_risk_is_i5_under_any_policy(told: Told) -> None:
    told.story.intend("a", 2)
    told.intent |= {"outcome": "UNKNOWN", "operation": ""}
    told.story.pay("a", 2)["micros"] = 0
    expect(told, "I5", 2, policy="resubmit_after_lookup")


def test_a_paid_submit_without_an_intent_is_i6(told: Told) -> None:
    told.story.final.intent.clear()
    expect(told, "I6", 1)


def test_a_paid_submit_before_its_intent_is_i6(told: Told) -> None:
    told.intent["create_time"] = told.story.final.ledger[0]["time"] + 1000
    expect(told, "I6", 2)


def test_times_are_not_compared_when_a_clock_was_turned(told: Told) -> None:
    told.intent["create_time"] = told.story.final.ledger[0]["time"] + 1000
    told.story.say("fault", fault="clock_skew", target="worker-0")
    assert told.story.check() == []


def test_a_submit_after_the_operation_is_known_is_i7(told: Told) -> None:
    told.intent["outcome_time"] = told.story.pay("a")["time"] - 1000
    told.story.final.ledger[-1]["micros"] = 0
    found = told.story.check()
    assert [violation.invariant for violation in found] == ["I4", "I5", "I7"]
    assert len(found[2].trace) == 2


def test_money_that_stays_reserved_is_i8(told: Told) -> None:
    told.story.final.spending[1]["reserved"] = PRICE
    expect(told, "I8", 1)


def test_a_settlement_that_was_lost_is_i8(told: Told) -> None:
    told.story.final.spending[1]["spent"] = 0
    assert "booked" in expect(told, "I8", 2).message


def test_a_cost_that_nobody_booked_is_i8(told: Told) -> None:
    told.story.final.ledger[0]["micros"] = 2 * PRICE
    assert "provider charged" in expect(told, "I8", 3).message


def test_a_refund_is_no_cost(told: Told) -> None:
    paid = told.story.final.ledger[0]
    paid["micros"] = 2 * PRICE
    told.story.final.ledger.append({**paid, "event": "cancelled", "micros": 0})
    assert told.story.check() == []


def test_a_budget_that_is_overshot_on_the_way_is_i8(told: Told) -> None:
    limit = {"kind": "budget", "owner": "each-user", "period": "day"}
    told.story.final.budget.append({**limit, "limit_micros": PRICE - 1})
    assert "overshot" in expect(told, "I8", 2).message


def test_a_refusal_though_there_was_room_is_i8(told: Told) -> None:
    figures = {"limit": "1.00", "spent": "0.10", "reserved": "0.00", "required": "0.04"}
    told.story.say("error", user=USER, reason="BUDGET_EXCEEDED", metadata=figures)
    expect(told, "I8", 1)


def test_a_cancelled_job_that_is_submitted_later_is_i9(told: Told) -> None:
    told.story.submit(OTHER, "b")
    told.story.move("b", "CANCELLED", cost_state="RELEASED")
    told.story.intend("b")
    told.story.pay("b")["micros"] = 0
    expect(told, "I9", 3)


def test_a_cancel_that_was_called_free_and_was_not_is_i9(told: Told) -> None:
    told.story.say("call", call=99, user=USER, job_id="a", only_if_free=True)
    job = {**told.line("answer")["job"], "state": "RUNNING"}
    told.story.say("answer", call=99, user=USER, method="CancelJob", job=job, names=[USER])
    expect(told, "I9", 2)


def test_a_revision_that_a_watcher_was_never_told_is_i10(told: Told) -> None:
    told.frames()[2]["events"].clear()
    violation = expect(told, "I10", 2)
    assert "revision 3 after 1" in violation.message


def test_a_revision_that_is_lost_between_two_connections_is_i10(told: Told) -> None:
    told.frames()[3]["events"].clear()
    violation = expect(told, "I10", 4)
    kinds = [line["kind"] for line in violation.trace]
    assert kinds == ["frame", "disconnect", "connect", "frame"]


def test_a_change_that_was_never_kept_is_i10(told: Told) -> None:
    told.frames()[2]["events"][0] = {**told.events[1], "event": "FAILED"}
    expect(told, "I10", 2)


def test_a_gap_in_the_database_is_i10(told: Told) -> None:
    told.story.final.stream[0]["revision"] = 5
    found = {violation.invariant for violation in told.story.check()}
    assert found == {"I10", "I14"}


def test_a_reset_with_a_snapshot_is_no_gap(told: Told) -> None:
    told.frames()[2]["events"].clear()
    told.frames()[3]["events"][:] = [RESET, current(told.events[2]), UNREAD, SYNCED]
    assert told.story.check() == []


def test_an_event_that_is_applied_twice_is_i11(told: Told) -> None:
    told.line("applied", 1)["revision"] = 1
    told.drop(told.line("applied", 2))
    told.drop(told.line("applied", 2))
    expect(told, "I11", 2)


def snapshot(told: Told, *events: Line, then: Line | None = None) -> None:
    """A second watcher is shown this, and then told that."""
    told.story.history.pop()
    told.story.connect("watch-02", USER)
    told.story.frame("watch-02", USER, *map(current, events), SYNCED)
    if then is not None:
        told.story.frame("watch-02", USER, then)
    told.story.say("disconnect", watch="watch-02", user=USER)
    told.story.say("end")


def test_a_snapshot_of_any_moment_is_good(told: Told) -> None:
    for event, then in zip(told.events, [*told.events[1:], None], strict=True):
        snapshot(told, event, then=then)
        assert told.story.check() == []


def test_a_snapshot_that_skipped_a_change_is_i12(told: Told) -> None:
    snapshot(told, told.events[0], then=told.events[2])
    expect(told, "I12", 3)


def test_a_snapshot_that_lacks_a_job_is_i12(told: Told) -> None:
    snapshot(told, then=told.events[2])
    assert "lacks a job" in expect(told, "I12", 2).message


def test_a_snapshot_that_never_was_is_i12(told: Told) -> None:
    odd = {**told.events[1], "job": {**told.events[1]["job"], "outputs": ["m"]}}
    snapshot(told, odd)
    expect(told, "I12", 3)


def test_an_event_that_its_token_stood_for_is_i13(told: Told) -> None:
    told.frames()[3]["events"].insert(0, told.events[1])
    expect(told, "I13", 2)


def test_a_checkpoint_that_was_ahead_of_what_was_said_is_i13(told: Told) -> None:
    """The token of the empty response is the one that others have for a later revision."""
    at = told.story.history.index(told.frames()[2])
    told.story.history.insert(
        at, {**told.frames()[2], "t": told.frames()[2]["t"] - 1, "events": []}
    )
    expect(told, "I13", 2)


def test_progress_after_the_end_is_i13(told: Told) -> None:
    told.frames()[-1]["events"].append({"event": "progress", "job_id": "a", "attempt": 1})
    expect(told, "I13", 2)


def test_a_watcher_that_went_deaf_is_i14(told: Told) -> None:
    told.drop(told.frames()[-1])
    found = told.story.check()
    assert {violation.invariant for violation in found} == {"I14"}
    assert "stands at 3, its user at 4" in found[0].message
    assert [line["kind"] for line in found[0].trace] == ["frame", "disconnect", "connect"]


def test_a_watcher_who_left_before_the_end_is_not_asked(told: Told) -> None:
    told.drop(told.frames()[-1])
    told.story.history.pop()
    told.story.say("disconnect", watch=WATCH, user=USER)
    told.story.say("end")
    assert told.story.check() == []


def test_a_frame_that_speaks_of_another_user_is_i15(told: Told) -> None:
    told.frames()[1]["names"] = [USER, OTHER]
    assert f"{USER} was told of {OTHER}" in expect(told, "I15", 1).message


def test_a_stolen_token_that_opens_a_stream_is_i15(told: Told) -> None:
    told.story.connect("thief-01", OTHER, told.tokens[0])
    told.story.frame("thief-01", OTHER, SYNCED)
    expect(told, "I15", 2)


def lose_bytes(told: Told) -> None:
    del told.story.final.blob[0]


def break_bytes(told: Told) -> None:
    told.story.final.blob[0]["sha256"] = "abd"


def lose_thumbnail(told: Told) -> None:
    del told.story.final.blob[1]


def lose_row(told: Told) -> None:
    told.story.final.media.clear()
    told.story.final.recipe.clear()


def lose_recipe(told: Told) -> None:
    told.story.final.recipe.clear()


def keep_recipe(told: Told) -> None:
    told.story.final.recipe.append({"kind": "recipe", "media_id": "gone"})


@pytest.mark.parametrize(
    "damage", [lose_bytes, break_bytes, lose_thumbnail, lose_row, lose_recipe, keep_recipe]
)
def test_a_result_that_is_not_whole_is_i16(told: Told, damage: Callable[[Told], None]) -> None:
    damage(told)
    expect(told, "I16", 2 if damage is break_bytes else 1)


def test_an_error_that_tells_a_prompt_is_i20(told: Told) -> None:
    told.story.say("error", user=USER, reason="FIELD_INVALID", text="not: secret-01-x")
    expect(told, "I20", 1)


def test_a_log_that_tells_a_prompt_or_a_key_is_i20(tmp_path: Path) -> None:
    keys, log = tmp_path / "keys", tmp_path / "worker.log"
    keys.mkdir()
    (keys / "jwt.key").write_text("0badcafe\n")
    log.write_text("good\nprompt=secret-07-x\nkey=0badcafe\n")
    found = find_secrets([log], keys)
    assert [(v.invariant, v.trace[0]["line"]) for v in found] == [("I20", 2), ("I20", 3)]
    assert not any("0badcafe" in str(violation) for violation in found)


def test_a_run_that_does_not_get_quiet_is_i18() -> None:
    assert check_quiet(3.0, 10.0) == []
    assert check_quiet(11.0, 10.0)[0].invariant == "I18"
    assert check_quiet(3.0, 10.0, unfinished=1)[0].invariant == "I18"


def test_what_is_not_given_back_is_i19() -> None:
    before = Holdings(descriptors=40, threads=20, database_connections=8, valkey_clients=6)
    assert check_leaks(before, replace(before, descriptors=45)) == []
    found = check_leaks(before, replace(before, descriptors=90, threads=70))
    assert [v.trace[0]["what"] for v in found] == ["descriptors", "threads"]
    assert {v.invariant for v in found} == {"I19"}


def test_what_a_recorder_wrote_is_read_again_in_order(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "history.jsonl")
    recorder.fault("kill", "worker-0")
    recorder.end()
    fault, end = recorder.lines()
    recorder.close()
    assert (fault["kind"], fault["target"], end["kind"]) == ("fault", "worker-0", "end")
    assert fault["t"] <= end["t"]


def test_a_flow_that_is_left_of_an_ended_job_is_i21(told: Told) -> None:
    told.story.submit(OTHER, "b")
    told.story.row("b")["state"] = "CANCELLED"
    assert ("I21", "a flow without jobs") in named(told)


def test_a_job_that_waits_in_no_flow_is_i21(told: Told) -> None:
    told.story.submit(OTHER, "b")
    told.story.final.flow.clear()
    assert ("I21", "jobs wait without a flow") in named(told)


@pytest.mark.parametrize(
    "changed", [{"waiting": 2}, {"turn": 0}, {"job_id": "a"}, {"last_turn": 9}]
)
def test_a_flow_that_says_something_else_than_its_jobs_is_i21(told: Told, changed: Line) -> None:
    told.story.submit(OTHER, "b")
    told.story.final.flow[0] |= changed
    assert ("I21", "a flow is not what its jobs say") in named(told)


@pytest.mark.parametrize("changed", [{"running": 1}, {"busy": True}])
def test_a_user_who_counts_what_no_more_runs_is_i21(told: Told, changed: Line) -> None:
    told.story.final.stream[0] |= changed
    expect(told, "I21", 1)


def test_a_flow_that_is_not_as_busy_as_its_user_is_i21(told: Told) -> None:
    told.story.submit(OTHER, "b")
    told.story.final.flow[0]["busy"] = True
    assert ("I21", "a flow and its user are not both busy") in named(told)


def test_flows_that_had_to_be_mended_are_i21(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text('{"event": "flows_mended", "users": 1}\n')
    (tmp_path / "server.log").write_text('{"event": "started"}\n')
    [violation] = find_mends(tmp_path.glob("*.log"))
    assert (violation.invariant, violation.trace[0]["file"]) == ("I21", "worker.log")


def test_a_move_that_is_told_twice_or_not_at_all_is_i17(told: Told) -> None:
    ended = told.story.final.event[-1]
    for notifications in ([], ended["notifications"] * 2):
        ended["notifications"] = notifications
        assert "I17" in {violation.invariant for violation in told.story.check()}


def test_a_count_of_unread_ones_that_is_not_true_is_i17(told: Told) -> None:
    told.story.final.stream[0]["unread"] += 1
    expect(told, "I17", 1)


def test_a_notification_that_stood_still_is_i17(told: Told) -> None:
    told.story.final.notification[0]["notification"] = "JOB_STARTED"
    expect(told, "I17", 2)


def test_a_watcher_who_heard_of_another_notification_is_i17(told: Told) -> None:
    for frame in told.frames():
        for event in frame["events"]:
            event.pop("notifications", None)
    assert "I17" in {violation.invariant for violation in told.story.check()}


def read(told: Told, **how: object) -> Line:
    """The user has read everything; the change."""
    told.story.history.pop()
    change = told.story.read(USER, **how)
    told.tell(change)
    told.story.say("end")
    return change


@pytest.mark.parametrize("how", [{"ids": ["n-a"]}, {"until": 2**60}])
def test_a_reading_that_is_told_breaks_nothing(told: Told, how: Line) -> None:
    read(told, **how)
    assert told.story.check() == []


def test_a_reading_that_reads_nothing_is_i17(told: Told) -> None:
    read(told, ids=["another"])
    assert ("I17", "a reading that read nothing took a revision") in named(told)


def test_a_reading_that_is_not_kept_is_i17(told: Told) -> None:
    read(told, ids=["n-a"])
    told.story.final.notification[0]["read_time"] = None
    expect(told, "I17", 1)


def test_a_watcher_who_ends_with_another_count_is_i17(told: Told) -> None:
    # Given a watcher whose last snapshot says nothing of what is unread
    told.frames()[3]["events"][:] = [RESET, current(told.events[2]), SYNCED]
    told.frames()[-1]["events"][:] = [{"event": "synced"}]
    found = {violation.message for violation in told.story.check()}
    assert f"{WATCH} was told of 0 unread ones, not 1" in found


USAGE = {
    "no usage of it": {"day": "2026-11-20"},
    "another model": {"model": "builtin-image"},
    "another user": {"user_id": OTHER},
    "nothing charged": {"charged": 0},
    "more charged": {"charged": PRICE + 1},
    "something uncertain": {"uncertain": 1, "charged": PRICE - 1},
    "something reserved": {"reserved": 1},
    "not ended": {"unfinished": 1, "succeeded": 0},
    "twice": {"succeeded": 2},
}


@pytest.mark.parametrize("what", USAGE)
def test_usage_that_says_something_else_than_jobs_and_books_is_i22(told: Told, what: str) -> None:
    [row] = told.story.usage()
    told.story.final.usage.append(row | USAGE[what])
    assert {violation.invariant for violation in told.story.check()} == {"I22"}


def test_usage_without_what_an_operation_that_turned_up_late_cost_is_i22(told: Told) -> None:
    # Given a job that was free by its row, and an operation that was booked on top
    told.story.row("a").update(cost_state="RELEASED", cost_actual=None)
    [row] = told.story.usage()
    assert not [one for one in told.story.check() if one.invariant == "I22"]

    told.story.final.usage.append(row | {"charged": 0})
    assert "I22" in {violation.invariant for violation in told.story.check()}


def apply(told: Told) -> Line:
    """Makes the job of the story one that applies its output; the row of the view."""
    ended = told.story.final.event[-1]
    for event in told.story.final.event:
        if event["job_id"] == ended["job_id"]:
            event["view"] = "desk"
    media_id = ended["job"]["outputs"][0]
    ended["views"] = [{"type": "APPLIED", "view": "desk", "media_id": media_id}]
    told.frames()[-1]["events"][0]["views"] = ended["views"]
    row = {"kind": "view", "user_id": ended["user_id"], "view": "desk", "media_id": media_id}
    told.story.final.view.append(row)
    return row


def test_a_view_that_shows_what_the_log_says_breaks_nothing(told: Told) -> None:
    apply(told)
    assert told.story.check() == []


def test_a_view_that_shows_something_else_is_i23(told: Told) -> None:
    apply(told)["media_id"] = "another"
    expect(told, "I23", 1)


def test_a_view_that_is_not_kept_is_i23(told: Told) -> None:
    apply(told)
    told.story.final.view.clear()
    expect(told, "I23", 1)


def test_a_watcher_who_was_not_told_of_a_view_is_i23(told: Told) -> None:
    apply(told)
    del told.frames()[-1]["events"][0]["views"]
    expect(told, "I23", 2)


def test_a_snapshot_that_lacks_a_view_is_i23(told: Told) -> None:
    # Given a watcher who is told to begin anew after the end
    apply(told)
    told.story.history.pop()
    told.story.frame(WATCH, USER, RESET, current(told.events[-1]), UNREAD, SYNCED)
    told.story.say("end")
    found = {message.partition(" saw ")[0] for name, message in named(told) if name == "I23"}
    assert found == {WATCH}


def test_a_success_that_should_have_applied_is_i23(told: Told) -> None:
    apply(told)
    told.story.final.event[-1]["views"] = []
    expect(told, "I23", 1)


def test_an_older_wish_that_wins_is_i23(told: Told) -> None:
    # Given a job that was accepted later and ended before, in the same view
    apply(told)
    ended = told.story.final.event[-1]
    newer = {**ended, "job_id": "newer", "revision": ended["revision"] - 0.5}
    told.story.final.event.append(newer)
    later = {**newer, "event": "QUEUED", "revision": ended["revision"] - 0.6, "views": []}
    told.story.final.event.append(later)
    assert ("I23", "a view was to show what it did") in named(told)


def named(told: Told) -> set[tuple[str, str]]:
    return {(violation.invariant, violation.message) for violation in told.story.check()}


def send(told: Told, status: int = 204) -> Line:
    """Gives the user of the story a webhook for ends, which has got the end; the delivery."""
    ended = told.story.final.event[-1]
    final, hook = told.story.final, {"kind": "webhook", "user_id": USER, "webhook_id": "hook"}
    final.webhook.append(hook | {"kinds": "JOB_SUCCEEDED"})
    row = {"kind": "delivery", "delivery_id": "id-1", "webhook_id": "hook", "user_id": USER}
    row |= {"delivery": "JOB_SUCCEEDED", "revision": ended["revision"], "job_id": ended["job_id"]}
    final.delivery.append(row | {"state": "SUCCEEDED"})
    came = {"delivery_id": "id-1", "type": "job.succeeded", "revision": ended["revision"]}
    came |= {"user": USER, "job_id": ended["job_id"], "names": [USER], "status": status}
    told.story.say("delivered", **came)
    return final.delivery[-1]


def test_a_delivery_that_came_breaks_nothing(told: Told) -> None:
    send(told)
    assert told.story.check() == []
    # Nor does one that comes again
    told.story.history.append(told.line("delivered"))
    assert told.story.check() == []


def test_an_event_without_its_delivery_is_i24(told: Told) -> None:
    send(told)
    told.drop(told.line("delivered"))
    told.story.final.delivery.clear()
    expect(told, "I24", 1)


def test_two_deliveries_of_one_event_are_i24(told: Told) -> None:
    told.story.final.delivery.append(send(told) | {"delivery_id": "id-2", "state": "PENDING"})
    expect(told, "I24", 3)


def test_a_delivery_of_nothing_that_happened_is_i24(told: Told) -> None:
    row = send(told)
    told.story.final.delivery.append(
        row | {"delivery_id": "id-2", "revision": 99, "state": "FAILED"}
    )
    expect(told, "I24", 1)


def test_a_delivery_that_nobody_took_is_i24(told: Told) -> None:
    send(told, status=500)
    expect(told, "I24", 1)


def test_a_delivery_with_another_id_is_i24(told: Told) -> None:
    send(told)
    told.story.history.append(told.line("delivered") | {"delivery_id": "id-2"})
    expect(told, "I24", 1)


def test_a_delivery_that_says_something_else_is_i24(told: Told) -> None:
    send(told)
    told.story.history.append(told.line("delivered") | {"type": "job.failed"})
    expect(told, "I24", 2)


def test_a_delivery_that_speaks_of_somebody_else_is_i24(told: Told) -> None:
    send(told)
    told.line("delivered")["names"].append(OTHER)
    expect(told, "I24", 1)


def linked(told: Told, *, expires: int = 2**60) -> Line:
    """The line of a link that is shared now."""
    return told.story.say("link", share="s", media="m", expires=expires)


def look(told: Told, status: int) -> None:
    """Somebody looks, and is answered at once."""
    line = told.story.say("look", share="s", status=status)
    line["asked"], line["asked_ms"] = line["t"], line["wall"]


def ended(told: Told, how: str = "revoke") -> None:
    for kind in ("ending", "ended"):
        told.story.say(kind, share="s", how=how)


def test_a_link_that_is_served_until_its_end_breaks_nothing(told: Told) -> None:
    linked(told)
    look(told, 200)
    told.story.say("ending", share="s", how="revoke")
    look(told, 200)
    look(told, 404)
    told.story.say("ended", share="s", how="revoke")
    look(told, 404)
    look(told, 0)
    look(told, 503)
    assert told.story.check() == []


@pytest.mark.parametrize("status", [200, 206, 304])
def test_a_link_that_is_served_after_it_was_ended_is_i25(told: Told, status: int) -> None:
    linked(told)
    ended(told)
    look(told, status)
    expect(told, "I25", 3)


def test_a_link_that_is_served_after_its_time_is_i25(told: Told) -> None:
    linked(told, expires=0)
    look(told, 200)
    expect(told, "I25", 2)


@pytest.mark.parametrize("status", [403, 404])
def test_a_link_that_lasts_and_is_not_served_is_i25(told: Told, status: int) -> None:
    linked(told)
    look(told, status)
    ended(told)
    expect(told, "I25", 2)


def paused(told: Told, start: str = "") -> None:
    """The queue of the jobs is paused for a long while; the job starts within it."""
    told.story.say("paused", queue="image")
    for _ in range(4):
        told.story.say("healed", target="")
    if start:
        told.story.submit(USER, start)
        told.story.move(start, "STARTED", attempt=1)
    told.story.say("resuming", queue="image")


def test_a_job_that_starts_in_a_paused_queue_is_i27(told: Told) -> None:
    paused(told, start="late")
    found = [one for one in told.story.check() if one.invariant == "I27"]
    assert [len(one.trace) for one in found] == [3]


def test_a_job_that_starts_when_its_queue_is_resumed_breaks_nothing(told: Told) -> None:
    paused(told)
    told.story.submit(USER, "later")
    told.story.move("later", "STARTED", attempt=1)
    assert "I27" not in {one.invariant for one in told.story.check()}


def test_a_start_that_a_freeze_held_up_proves_nothing(told: Told) -> None:
    told.story.say("fault", fault="freeze", target="worker-0", detail={"seconds": 9})
    paused(told, start="late")
    told.story.say("fault", fault="healed", target="worker-0", detail={"of": "freeze"})
    assert "I27" not in {one.invariant for one in told.story.check()}


def test_a_drained_worker_that_goes_on_is_i27(told: Told) -> None:
    told.story.say("drained", worker="w", pid=1, ended=False)
    expect(told, "I27", 1)


@pytest.mark.parametrize(("end", "found"), [(5, False), (6, True)])
def test_a_share_that_outlives_its_item_is_i25(told: Told, end: int, found: bool) -> None:
    [item] = told.story.final.media
    told.story.final.media[0] = item | {"delete_time": 5}
    share = {"kind": "share", "share_id": "s", "media_id": item["media_id"]}
    told.story.final.share.append(share | {"end_time": end, "ended": False})
    assert bool(told.story.check()) is found
    if found:
        expect(told, "I25", 2)
