"""Views: the newest wish wins, no view shows what was deleted, and each change has one revision."""

import contextlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from core.errors import NotFound, ResourceLimitReached
from core.events import Event, UserChange
from core.media import Media, MediaType
from core.store import Database, events, media, retention, transitions, view_calls, views
from core.store.claims import Claim
from core.store.engine.sql import Statement
from core.store.view_calls import Changed
from core.views import USUALLY_MOST, View
from tests.making import accepted, new_media, started

ADD = Statement("""
    INSERT INTO view (user_id, view, media_id, apply_time, wish, looping, job_id, deleted_media_id)
    VALUES ('alice', :view, :media_id, 0, 0, FALSE, '', '')
""")
CHANGES = Statement("SELECT revision FROM job_event WHERE user_id = :user_id ORDER BY revision")
ROWS = Statement("SELECT view FROM view WHERE user_id = 'alice' ORDER BY view")
KEEP_MS = 60_000


def stored(db: Database, user_id: str = "alice", **fields: Any) -> str:
    item = new_media(user_id, **fields)
    media.add(db, item)
    return item.media_id


def apply(
    db: Database, view: str, media_id: str, user_id: str = "alice", *, looping: bool = True
) -> Changed:
    return view_calls.apply(db, user_id, view, media_id, looping=looping)


def shown(db: Database, view: str, user_id: str = "alice") -> str:
    item = views.get(db, user_id, view).media
    return item.media_id if item else ""


def said(change: UserChange | None) -> list[tuple[str, str, str]]:
    """What a change says of views: the type, the name, the item or the one that was deleted."""
    assert change is not None
    told = json.loads(change.payload).get("views", [])
    return [
        (
            one["type"],
            one["view"]["view"],
            one["view"].get("media", {}).get("media_id", "")
            or one["view"].get("deleted_media_id", ""),
        )
        for one in told
    ]


def revision(db: Database, user_id: str = "alice") -> int:
    return events.revisions(db, [user_id]).get(user_id, 0)


def wish(db: Database, view: str = "desk") -> Claim:
    """A job that runs and wants its output in the view."""
    accepted(db, apply_to_view=view)
    return started(db)


def succeed(
    db: Database, claim: Claim, max_views: int = USUALLY_MOST, **fields: Any
) -> tuple[Event, Media]:
    output = new_media(job_id=claim.run.job_id, **fields)
    return transitions.succeed(db, claim.run, output, max_views), output


def test_a_view_that_nobody_used_shows_nothing(db: Database) -> None:
    assert views.get(db, "alice", "desk") == View(view="desk")


def test_applying_takes_one_revision_and_again_none(db: Database) -> None:
    item, other = stored(db), stored(db)

    first, again = apply(db, "desk", item), apply(db, "desk", item)

    assert first.view == again.view == views.get(db, "alice", "desk")
    assert (first.view.media and first.view.media.media_id, first.view.looping) == (item, True)
    assert first.view.apply_time is not None
    assert (first.previous_media_id, again.previous_media_id) == ("", item)
    assert said(first.change) == [("APPLIED", "desk", item)]
    assert again.change is None
    assert revision(db) == 1

    second = apply(db, "desk", other)
    assert (second.previous_media_id, revision(db)) == (item, 2)
    assert shown(db, "desk") == other


def test_looping_is_of_videos_and_a_change_by_itself(db: Database) -> None:
    film, picture = stored(db), stored(db, type=MediaType.IMAGE)

    assert apply(db, "desk", film, looping=False).view.looping is False
    assert apply(db, "desk", film, looping=True).change is not None
    assert apply(db, "wall", picture, looping=True).view.looping is False
    assert apply(db, "wall", picture, looping=False).change is None


def test_only_an_item_of_the_caller_outside_the_bin_can_be_applied(db: Database) -> None:
    binned, foreign = stored(db), stored(db, "bob")
    media.bin(db, "alice", [binned], KEEP_MS)

    for media_id in (binned, foreign, new_media().media_id):
        with pytest.raises(NotFound) as refused:
            apply(db, "desk", media_id)
        assert [one.field for one in refused.value.violations] == ["media_id"]
    assert revision(db) == 0


def test_clearing_takes_one_revision_and_again_none(db: Database) -> None:
    item = stored(db)
    apply(db, "desk", item)

    first, again = (view_calls.clear(db, "alice", "desk") for _ in range(2))

    assert first.view == again.view == View(view="desk")
    assert (first.previous_media_id, again.previous_media_id) == (item, "")
    assert said(first.change) == [("CLEARED", "desk", "")]
    assert (again.change, revision(db)) == (None, 2)
    assert view_calls.clear(db, "alice", "new").change is None


def test_lists_have_what_shows_something_by_name_and_prefix(db: Database) -> None:
    item = stored(db)
    for name in ("card/2", "Card/1", "card/10", "card", "card_", "gone", "a"):
        apply(db, name, item)
    apply(db, "card/3", stored(db, "bob"), "bob")
    view_calls.clear(db, "alice", "gone")

    def names(prefix: str = "", after: str = "", limit: int = 9) -> list[str]:
        asked: dict[str, Any] = {"prefix": prefix, "after": after, "limit": limit}
        found = views.page(db, "alice", **asked)
        assert list(found) == views.versions(db, "alice", **asked)
        return [one.view for one in found.values()]

    # By bytes, whatever the database takes for the order of letters
    assert names() == ["Card/1", "a", "card", "card/10", "card/2", "card_"]
    assert names(limit=2, after="a") == ["card", "card/10"]
    assert names("card/") == ["card/10", "card/2"]
    assert names("card/", after="card/10") == ["card/2"]
    found = events.snapshot(db, "alice", with_views=True)
    assert [one.view for one in found.views] == names()


def test_each_change_of_a_view_or_its_item_makes_another_version_of_it(db: Database) -> None:
    # Given a view
    item = stored(db)
    apply(db, "desk", item)

    # When its item or what it shows changes, one thing after the other
    changes: list[Callable[[], object]] = [
        lambda: None,
        lambda: media.update(db, "alice", item, title="waves", starred=None, labels={}),
        lambda: media.update(db, "alice", item, title=None, starred=True, labels={}),
        lambda: media.update(db, "alice", item, title=None, starred=None, labels={"a": "b"}),
        lambda: apply(db, "desk", item, looping=False),
        lambda: apply(db, "desk", stored(db)),
        lambda: succeed(db, wish(db)),
    ]
    seen = {}
    for change in changes:
        change()
        seen |= views.page(db, "alice", prefix="", after="", limit=9)

    # Then each time it is another version, and a version is always the same view
    assert len(seen) == len(changes) == len(set(map(repr, seen.values())))
    assert views.versions(db, "alice", prefix="", after="", limit=9) == [list(seen)[-1]]


def kept(db: Database, keep_ms: int = -KEEP_MS) -> list[str]:
    """The views of which something is known after what is too old was forgotten."""
    retention.forget(db, keep_ms)
    return [row[0] for row in db.rows(ROWS)]


def test_a_view_that_was_cleared_is_forgotten_in_time_and_one_that_shows_is_not(
    db: Database,
) -> None:
    for name in ("shown", "cleared"):
        apply(db, name, stored(db))
    view_calls.clear(db, "alice", "cleared")

    assert kept(db, KEEP_MS) == ["cleared", "shown"]
    assert kept(db) == ["shown"]
    assert views.get(db, "alice", "cleared") == View(view="cleared")


def test_a_view_of_a_deleted_item_is_kept_while_the_item_can_come_back(db: Database) -> None:
    # Given a view that a deletion cleared, long ago
    item = stored(db)
    apply(db, "desk", item)
    media.bin(db, "alice", [item], KEEP_MS)

    # Then an undeletion names it, until the item is erased
    assert kept(db) == ["desk"]
    media.unbin(db, "alice", item)
    assert views.former(db, "alice", item) == ["desk"]
    media.erase(db, "alice", [item])
    assert kept(db) == []


def test_a_cleared_view_is_kept_while_an_older_job_may_want_it(db: Database) -> None:
    # Given a view that was cleared after a job was accepted that wants it
    item = stored(db)
    for name in ("desk", "wall"):
        apply(db, name, item)
    claim = wish(db, "desk")
    for name in ("desk", "wall"):
        view_calls.clear(db, "alice", name)

    # When what is too old is forgotten before the job ends
    assert kept(db) == ["desk"]

    # Then the newest wish still wins, and after that it is forgotten
    event, _ = succeed(db, claim)
    assert said(event.change) == []
    assert shown(db, "desk") == ""
    assert kept(db) == []


def test_a_job_applies_no_view_beyond_what_its_worker_allows(db: Database) -> None:
    apply(db, "desk", stored(db))

    event, _ = succeed(db, wish(db, "more"), max_views=1)
    assert said(event.change) == []
    event, _ = succeed(db, wish(db, "more"), max_views=2)
    assert shown(db, "more") != ""


def test_at_most_a_thousand_views_show_something(db: Database) -> None:
    # Given as many as may be
    item, other = stored(db), stored(db)
    for number in range(USUALLY_MOST - 1):
        db.write(lambda s, n=number: s.run(ADD, view=f"v/{n}", media_id=item))  # type: ignore[misc]
    apply(db, "last", item)

    # Then no more can show something, but those may change
    with pytest.raises(ResourceLimitReached) as refused:
        apply(db, "more", item)
    assert refused.value.metadata == {"resource": "view", "limit": "1000"}
    assert apply(db, "last", other).change is not None

    # And a job whose view is one too many succeeds without it
    event, output = succeed(db, wish(db, "more"))
    assert said(event.change) == []
    assert shown(db, "more") == ""

    # And one that is cleared makes room
    view_calls.clear(db, "alice", "last")
    assert apply(db, "more", output.media_id).change is not None


@pytest.mark.parametrize("permanent", [False, True])
def test_deleting_clears_all_views_of_the_items_in_one_revision(
    db: Database, permanent: bool
) -> None:
    # Given items that several views show, and one that none shows
    first, second, alone, kept = (stored(db) for _ in range(4))
    for name, item in (("b", first), ("a", second), ("c", first), ("d", kept)):
        apply(db, name, item)
    before = revision(db)

    # When they are deleted
    ids = [first, second, alone]
    deleted = media.erase(db, "alice", ids) if permanent else media.bin(db, "alice", ids, KEEP_MS)

    # Then one change says so, and the views name what they showed
    assert deleted.cleared_views == ("a", "b", "c")
    assert said(deleted.change) == [
        ("CLEARED", "a", second),
        ("CLEARED", "b", first),
        ("CLEARED", "c", first),
    ]
    assert revision(db) == before + 1
    assert views.get(db, "alice", "b") == View(view="b", deleted_media_id=first)
    assert shown(db, "d") == kept


def test_deleting_what_no_view_shows_takes_no_revision(db: Database) -> None:
    item = stored(db)
    apply(db, "desk", item)
    media.bin(db, "alice", [item], KEEP_MS)
    before = revision(db)

    for deleted in (
        media.bin(db, "alice", [item], KEEP_MS),
        media.bin(db, "alice", [stored(db)], KEEP_MS),
        media.erase(db, "alice", [item]),
    ):
        assert (deleted.cleared_views, deleted.change) == ((), None)
    assert revision(db) == before


def test_a_delete_that_is_refused_clears_nothing(db: Database) -> None:
    item = stored(db)
    apply(db, "desk", item)
    with pytest.raises(NotFound):
        media.bin(db, "alice", [item, new_media().media_id], KEEP_MS)
    assert shown(db, "desk") == item


def test_taking_an_item_out_of_the_bin_names_its_views_and_changes_none(db: Database) -> None:
    item, other = stored(db), stored(db)
    for name in ("a", "b", "c"):
        apply(db, name, item)
    media.bin(db, "alice", [item], KEEP_MS)
    apply(db, "b", other)

    media.unbin(db, "alice", item)

    assert views.former(db, "alice", item) == ["a", "c"]
    assert (shown(db, "a"), shown(db, "b")) == ("", other)
    apply(db, "a", item)
    assert views.former(db, "alice", item) == ["c"]
    assert views.get(db, "alice", "a").deleted_media_id == ""


def test_a_job_applies_its_first_output_at_the_revision_of_its_success(db: Database) -> None:
    claim = wish(db)
    event, output = succeed(db, claim)

    assert event.job.apply_to_view == "desk"
    assert said(event.change) == [("APPLIED", "desk", output.media_id)]
    view = views.get(db, "alice", "desk")
    assert view.media is not None
    assert (view.media.media_id, view.job_id) == (output.media_id, claim.run.job_id)
    assert (view.looping, view.apply_time) == (True, event.event_time)
    assert revision(db) == event.revision


def test_a_job_that_makes_an_image_does_not_loop(db: Database) -> None:
    succeed(db, wish(db), type=MediaType.IMAGE)
    assert views.get(db, "alice", "desk").looping is False


def test_a_job_that_fails_changes_no_view(db: Database) -> None:
    claim = wish(db)
    cancelled = transitions.cancel(db, "alice", claim.run.job_id, "").event
    assert cancelled is not None
    assert said(cancelled.change) == []
    assert said(transitions.end_cancelled(db, claim.run).change) == []
    assert shown(db, "desk") == ""


@pytest.mark.parametrize("by", ["apply", "clear"])
def test_what_a_caller_did_since_the_job_was_accepted_wins(db: Database, by: str) -> None:
    # Given a view that shows something, and a job that shall change it
    item, other = stored(db), stored(db)
    apply(db, "desk", item)
    claim = wish(db)

    # When its user changes the view before the job ends
    if by == "apply":
        apply(db, "desk", other)
    else:
        view_calls.clear(db, "alice", "desk")

    # Then the job leaves it
    event, _ = succeed(db, claim)
    assert said(event.change) == []
    assert shown(db, "desk") == (other if by == "apply" else "")


def test_what_changed_nothing_since_the_job_was_accepted_does_not_win(db: Database) -> None:
    item = stored(db)
    apply(db, "desk", item)
    claim = wish(db)
    apply(db, "desk", item)
    _, output = succeed(db, claim)
    assert shown(db, "desk") == output.media_id


def test_of_two_jobs_the_one_accepted_later_wins_in_whatever_order_they_end(db: Database) -> None:
    earlier, later = wish(db), wish(db)
    _, newest = succeed(db, later)
    event, _ = succeed(db, earlier)
    assert said(event.change) == []
    assert shown(db, "desk") == newest.media_id

    earlier, later = wish(db), wish(db)
    succeed(db, earlier)
    _, newest = succeed(db, later)
    assert shown(db, "desk") == newest.media_id


def test_a_deletion_is_no_wish(db: Database) -> None:
    item = stored(db)
    apply(db, "desk", item)
    claim = wish(db)
    media.bin(db, "alice", [item], KEEP_MS)
    _, output = succeed(db, claim)
    assert shown(db, "desk") == output.media_id
    assert views.get(db, "alice", "desk").deleted_media_id == ""


@pytest.mark.parametrize("permanent", [False, True])
def test_an_output_that_was_deleted_before_the_end_is_not_applied(
    db: Database, permanent: bool
) -> None:
    # Given a job of two outputs, of which the first is deleted before the second is there
    claim = wish(db)
    first = new_media(job_id=claim.run.job_id)
    transitions.add_output(db, claim.run, first)
    if permanent:
        media.erase(db, "alice", [first.media_id])
    else:
        media.bin(db, "alice", [first.media_id], KEEP_MS)

    # Then its success changes no view
    event, _ = succeed(db, claim, output_index=1)
    assert said(event.change) == []
    assert shown(db, "desk") == ""


def test_the_first_of_several_outputs_is_applied(db: Database) -> None:
    claim = wish(db)
    first = new_media(job_id=claim.run.job_id)
    transitions.add_output(db, claim.run, first)
    succeed(db, claim, output_index=1)
    assert shown(db, "desk") == first.media_id


def test_applying_and_deleting_at_once_leaves_no_view_with_what_is_deleted(db: Database) -> None:
    # Given users of whom nothing is known yet, so that they have no row to lock at first
    for number in range(12):
        user_id = f"user-{number}"
        item = stored(db, user_id)
        delete = partial(media.bin, db, user_id, [item], KEEP_MS)
        works = [delete, *(partial(apply, db, name, item, user_id) for name in ("a", "b"))]

        # When views take the item while it is deleted
        with ThreadPoolExecutor(3) as pool:
            turn = number % 3
            done = [pool.submit(work) for work in works[turn:] + works[:turn]]

        # Then nobody waited for another in a circle, no view shows it, and no revision is missing
        for one in done:
            with contextlib.suppress(NotFound):  # it was deleted first
                one.result()
        assert views.page(db, user_id, prefix="", after="", limit=9) == {}
        found = [row[0] for row in db.rows(CHANGES, user_id=user_id)]
        assert found == list(range(1, revision(db, user_id) + 1))
