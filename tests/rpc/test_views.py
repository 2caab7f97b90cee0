"""ViewService, what jobs and deletions do to views, and what a watch brings of them."""

import time
import urllib.parse
from typing import Any

import pytest
from grpc import StatusCode as Code

from core.ids import new_id
from core.store import media, transitions
from core.store import views as view_store
from core.store.engine.sql import Statement
from rushes.v1 import media_service_pb2 as media_pb
from rushes.v1 import view_pb2
from rushes.v1 import view_service_pb2 as pb
from tests.house import House
from tests.making import new_media, started
from tests.rpc.requests import store_picture, video
from tests.rpc.watching import Watch
from tests.services import wait_for

VIEWS = media_pb.WatchJobsRequest.VIEWS
Type = view_pb2.ViewEvent.Type
FILL = Statement("""
    INSERT INTO view (user_id, view, media_id, apply_time, wish, looping, job_id, deleted_media_id)
    VALUES ('alice', :view, :media_id, 1, 0, FALSE, '', '')
""")
RIGHT = ("a", "_", "0", "card/42", "A.b-c_d", "a/b/c/d/e/f/g/h", "x" * 128)
WRONG = (
    *("", "/", "a/", "/a", "a//b", ".a", "-a", "a/.b", "a b", "ä", "a\n", "a:b", "../a"),
    *("a/b/c/d/e/f/g/h/i", "x" * 129),
)


def film(house: House, user_id: str = "alice") -> str:
    """The id of a video in the user's library."""
    item = new_media(user_id)
    media.add(house.db, item)
    return item.media_id


def apply(house: House, view: str, media_id: str, **fields: Any) -> pb.ApplyViewResponse:
    request = pb.ApplyViewRequest(view=view, media_id=media_id, **fields)
    answer: pb.ApplyViewResponse = house.caller("alice").call("ApplyView", request)
    return answer


def get(house: House, view: str, user_id: str = "alice", **fields: Any) -> view_pb2.View:
    request = pb.GetViewRequest(view=view, **fields)
    shown: view_pb2.View = house.caller(user_id).call("GetView", request).view
    return shown


def clear(house: House, view: str) -> pb.ClearViewResponse:
    answer: pb.ClearViewResponse = house.caller("alice").call(
        "ClearView", pb.ClearViewRequest(view=view)
    )
    return answer


def listed(house: House, **fields: Any) -> pb.ListViewsResponse:
    answer: pb.ListViewsResponse = house.caller("alice").call(
        "ListViews", pb.ListViewsRequest(**fields)
    )
    return answer


def told(watch: Watch) -> list[tuple[str, str, str]]:
    """What a watch was told of views: the type, the name, the item."""
    return [
        (Type.Name(one.type), one.view.view, one.view.media.media_id)
        for event in watch.events
        for one in event.views
    ]


def expires(view: view_pb2.View) -> int:
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(view.media.url).query)
    return int(query["expire_time"][0])


def test_a_view_shows_what_was_applied_to_it_until_it_is_cleared(house: House) -> None:
    # Given a view that nobody has used
    assert get(house, "dashboard") == view_pb2.View(view="dashboard")
    first, second = film(house), film(house)

    # When an item is applied, and then another one
    made, changed = apply(house, "dashboard", first), apply(house, "dashboard", second)

    # Then it shows the second, with addresses, and the answer says what it showed before
    assert (made.previous_media_id, changed.previous_media_id) == ("", first)
    shown = get(house, "dashboard")
    assert (shown.media.media_id, shown.looping, shown.job_id) == (second, True, "")
    assert shown.HasField("apply_time")
    assert shown.media.url
    assert changed.view.apply_time == shown.apply_time

    # And once it is cleared, twice, it shows nothing
    gone, again = clear(house, "dashboard"), clear(house, "dashboard")
    assert (gone.previous_media_id, again.previous_media_id) == (second, "")
    assert get(house, "dashboard") == gone.view == again.view == view_pb2.View(view="dashboard")


def test_applying_the_same_again_takes_no_revision(house: House) -> None:
    item = film(house)
    watch = Watch(house, include=[VIEWS])
    watch.until("synced")
    made = [apply(house, "desk", item) for _ in range(2)]
    apply(house, "desk", item, looping=False)
    wait_for(lambda: len(told(watch)) == 2, "two changes")

    assert [one.previous_media_id for one in made] == ["", item]
    assert [event.revision for event in watch.events if event.revision] == [1, 2]
    assert get(house, "desk").looping is False
    watch.close()


def test_looping_is_not_looked_at_for_an_image(house: House) -> None:
    picture = store_picture(house.caller("alice"))
    assert apply(house, "desk", picture, looping=True).view.looping is False
    assert get(house, "desk").looping is False


@pytest.mark.parametrize("method", ["GetView", "ApplyView", "ClearView", "apply_to_view"])
def test_names_are_checked(house: House, method: str) -> None:
    alice, item = house.caller("alice"), film(house)
    requests: dict[str, Any] = {
        "GetView": lambda name: pb.GetViewRequest(view=name),
        "ApplyView": lambda name: pb.ApplyViewRequest(view=name, media_id=item),
        "ClearView": lambda name: pb.ClearViewRequest(view=name),
        "apply_to_view": lambda name: video(apply_to_view=name, validate_only=True),
    }
    make = requests[method]
    is_option = method == "apply_to_view"
    call, field = ("GenerateVideo", "options.apply_to_view") if is_option else (method, "view")
    for name in RIGHT:
        alice.call(call, make(name))
    for name in WRONG[1:] if is_option else WRONG:
        refusal = alice.refused(call, make(name))
        assert (refusal.code, refusal.fields) == (Code.INVALID_ARGUMENT, (field,)), name


def test_only_an_item_of_the_caller_outside_the_bin_can_be_applied(house: House) -> None:
    alice, binned = house.caller("alice"), film(house)
    alice.call("DeleteMedia", media_pb.DeleteMediaRequest(media_id=binned))
    for media_id in (binned, film(house, "bob"), new_id()):
        refusal = alice.refused("ApplyView", pb.ApplyViewRequest(view="desk", media_id=media_id))
        assert (refusal.code, refusal.reason) == (Code.NOT_FOUND, "RESOURCE_NOT_FOUND")
        assert refusal.fields == ("media_id",)
    refusal = alice.refused("ApplyView", pb.ApplyViewRequest(view="desk", media_id="x"))
    assert refusal.fields == ("media_id",)


def test_views_are_each_user_s_own(house: House) -> None:
    apply(house, "desk", film(house))
    assert not get(house, "desk", "bob").HasField("media")
    request = pb.ListViewsRequest()
    assert list(house.caller("bob").call("ListViews", request).views) == []


def test_lists_go_page_by_page_by_name(house: House) -> None:
    item = film(house)
    for name in ("card/b", "card/a", "desk", "card/c", "empty"):
        apply(house, name, item)
    clear(house, "empty")

    first = listed(house, page_size=2, prefix="card/")
    second = listed(house, page_size=2, prefix="card/", page_token=first.next_page_token)
    names = [view.view for page in (first, second) for view in page.views]
    assert (names, second.next_page_token) == (["card/a", "card/b", "card/c"], "")
    assert [view.view for view in listed(house).views][-1] == "desk"
    assert listed(house).views[0].media.url

    # A token of another list is refused, and what no name can begin with is too
    alice = house.caller("alice")
    request = pb.ListViewsRequest(page_token=first.next_page_token)
    assert alice.refused("ListViews", request).reason == "PAGE_TOKEN_INVALID"
    for prefix in ("a b", "x" * 129, "ä"):
        assert alice.refused("ListViews", pb.ListViewsRequest(prefix=prefix)).fields == ("prefix",)
    assert alice.refused("ListViews", pb.ListViewsRequest(page_size=-1)).fields == ("page_size",)


def test_a_list_that_is_asked_for_again_has_what_changed_meanwhile(house: House) -> None:
    # Given two views, listed twice
    alice, item = house.caller("alice"), film(house)
    for name in ("a", "b"):
        apply(house, name, item)
    assert listed(house) == listed(house)
    assert [view.media.media_id for view in listed(house).views] == [item, item]

    # When the item and one of the views change
    changed = {"media_id": item, "title": "waves", "starred": True}
    alice.call("UpdateMedia", media_pb.UpdateMediaRequest(**changed))
    apply(house, "b", item, looping=False)

    # Then the list has them as each view by itself
    first, second = listed(house).views
    assert (first, second) == (get(house, "a"), get(house, "b"))
    assert (first.media.title, first.media.starred) == ("waves", True)
    assert (first.looping, second.looping) == (True, False)


def test_addresses_last_as_long_as_was_asked_for(house: House) -> None:
    apply(house, "desk", film(house))
    now = time.time()
    for asked, seconds in ((None, 3600), (60, 60), (999_999, 86_400)):
        fields: dict[str, Any] = {} if asked is None else {"url_ttl": {"seconds": asked}}
        for view in (get(house, "desk", **fields), listed(house, **fields).views[0]):
            assert now + seconds <= expires(view) + 1 <= now + seconds * 1.3 + 60


def test_at_most_a_thousand_views_show_something(house: House) -> None:
    # Given a thousand
    item = film(house)

    def fill(session: Any) -> None:
        for number in range(house.settings.max_views):
            session.later(FILL, view=f"v/{number}", media_id=item)

    house.db.write(fill)

    # Then one more is refused, with what there may be
    request = pb.ApplyViewRequest(view="more", media_id=item)
    refusal = house.caller("alice").refused("ApplyView", request)
    assert (refusal.code, refusal.reason) == (Code.RESOURCE_EXHAUSTED, "RESOURCE_LIMIT_REACHED")
    assert refusal.metadata == {"resource": "view", "limit": "1000"}

    # And one page has them all
    assert len(listed(house, page_size=5000).views) == 1000


@pytest.mark.parametrize("permanent", [False, True])
def test_a_deletion_clears_views_and_undelete_names_them(house: House, permanent: bool) -> None:
    # Given views that show two items
    alice, first, second = house.caller("alice"), film(house), film(house)
    for name, item in (("b", first), ("a", first), ("c", second)):
        apply(house, name, item)
    watch = Watch(house, include=[VIEWS])
    watch.until("synced")

    # When one is deleted, and then the other one with others
    request = media_pb.DeleteMediaRequest(media_id=first, permanent=permanent)
    assert alice.call("DeleteMedia", request).cleared_views == ["a", "b"]
    if not permanent:
        assert alice.call("DeleteMedia", request).cleared_views == []
    several = media_pb.BatchDeleteMediaRequest(media_ids=[second, film(house)], permanent=permanent)
    assert alice.call("BatchDeleteMedia", several).cleared_views == ["c"]

    # Then each took one revision, and the views say what was deleted
    wait_for(lambda: len([e for e in watch.events if e.revision]) == 2, "two changes")
    changes = [event for event in watch.events if event.revision]
    assert [event.revision for event in changes] == [4, 5]
    said = [
        (Type.Name(one.type), one.view.view, one.view.deleted_media_id)
        for event in changes
        for one in event.views
    ]
    assert said == [("CLEARED", "a", first), ("CLEARED", "b", first), ("CLEARED", "c", second)]
    assert get(house, "a") == view_pb2.View(view="a", deleted_media_id=first)
    watch.close()

    # And an item that comes back changes none of them
    if not permanent:
        apply(house, "b", film(house))
        request = media_pb.UndeleteMediaRequest(media_id=first)
        assert alice.call("UndeleteMedia", request).former_views == ["a"]
        assert not get(house, "a").HasField("media")
        apply(house, "a", first)
        assert alice.call("UndeleteMedia", request).former_views == []


def test_a_job_shows_its_view_and_applies_its_first_output(house: House) -> None:
    # Given a watch of both, and a job with a view
    watch = Watch(house, include=[VIEWS])
    watch.until("synced")
    job = house.caller("alice").call("GenerateVideo", video(apply_to_view="card/42")).job
    assert job.apply_to_view == "card/42"

    # When it succeeds
    output = new_media(job_id=job.job_id)
    event = transitions.succeed(house.db, started(house.db).run, output)

    # Then the event of its success says what the view shows
    wait_for(lambda: bool(told(watch)), "the view")
    last = watch.events[-1]
    assert (last.revision, last.job.job.apply_to_view) == (event.revision, "card/42")
    assert told(watch) == [("APPLIED", "card/42", output.media_id)]
    shown = get(house, "card/42")
    assert (shown.job_id, shown.looping) == (job.job_id, True)
    assert shown == get(house, "card/42")
    watch.close()


def test_a_job_that_would_change_a_view_needs_the_scope_of_views(house: House) -> None:
    # Given a caller that may generate and nothing else
    alone = house.caller_with(f"Bearer {house.token('alice', scope='jobs.read jobs.write')}")
    job_id = alone.call("GenerateVideo", video()).job.job_id
    alone.call("CancelJob", media_pb.CancelJobRequest(job_id=job_id))
    before = house.count_rows()

    # When its jobs would change a view, then each is refused, and nothing is stored
    options = {"apply_to_view": "desk"}
    batch = media_pb.BatchGenerateRequest(requests=[{"video": video().spec, "options": options}])
    for method, request in (
        ("GenerateVideo", video(**options)),
        ("RetryJob", media_pb.RetryJobRequest(job_id=job_id, options=options)),
        ("BatchGenerate", batch),
    ):
        refusal = alone.refused(method, request)
        assert (refusal.reason, refusal.metadata["scope"]) == ("SCOPE_MISSING", "media.write")
    assert house.count_rows() == before

    # And with the scope they are taken
    both = house.token("alice", scope="jobs.write media.write")
    house.caller_with(f"Bearer {both}").call("GenerateVideo", video(**options))


def test_a_view_is_a_part_of_the_request(house: House) -> None:
    alice = house.caller("alice")
    first = alice.call("GenerateVideo", video(request_id="r", apply_to_view="desk"))
    again = alice.call("GenerateVideo", video(request_id="r", apply_to_view="desk"))
    assert (again.job.job_id, again.deduplicated) == (first.job.job_id, True)
    for view in ("", "wall"):
        refusal = alice.refused("GenerateVideo", video(request_id="r", apply_to_view=view))
        assert refusal.reason == "REQUEST_ID_CONFLICT"
    tried = alice.call("GenerateVideo", video(apply_to_view="desk", validate_only=True))
    assert tried.job.apply_to_view == "desk"


def test_a_retry_applies_only_if_its_own_options_say_so(house: House) -> None:
    alice = house.caller("alice")
    job_id = alice.call("GenerateVideo", video(apply_to_view="desk")).job.job_id
    alice.call("CancelJob", media_pb.CancelJobRequest(job_id=job_id))
    for view in ("", "wall"):
        options = media_pb.JobOptions(apply_to_view=view)
        request = media_pb.RetryJobRequest(job_id=job_id, options=options)
        assert alice.call("RetryJob", request).job.apply_to_view == view


def test_a_watch_begins_with_what_views_show_and_resumes_with_their_changes(house: House) -> None:
    # Given two views that show something and one that does not
    item = film(house)
    for name in ("b", "a", "c"):
        apply(house, name, item)
    clear(house, "c")
    watch = Watch(house, include=[VIEWS])
    watch.until("synced")
    assert told(watch) == [("CURRENT", "a", item), ("CURRENT", "b", item)]
    token = watch.responses[-1].resume_token
    watch.close()

    # When a view changes while nobody watches
    clear(house, "a")
    apply(house, "d", item)

    # Then a watch that goes on sees both changes, and one without views none
    back = Watch(house, resume_token=token, include=[VIEWS])
    back.until("synced")
    assert told(back) == [("CLEARED", "a", ""), ("APPLIED", "d", item)]
    plain = Watch(house)
    plain.until("synced")
    assert told(plain) == []
    back.close()
    plain.close()


def test_a_watch_that_goes_on_is_told_of_a_view_that_was_forgotten_since(house: House) -> None:
    apply(house, "desk", film(house))
    watch = Watch(house, include=[VIEWS])
    watch.until("synced")
    token = watch.responses[-1].resume_token
    watch.close()

    clear(house, "desk")
    assert house.db.write(lambda session: view_store.forget(session, -60_000, 9)) == 1

    back = Watch(house, resume_token=token, include=[VIEWS])
    back.until("synced")
    assert told(back) == [("CLEARED", "desk", "")]
    back.close()


def test_a_loop_goes_with_nothing_that_sets_its_end(house: House) -> None:
    alice, picture = house.caller("alice"), store_picture(house.caller("alice"))
    request = video()
    request.spec.loop = True
    job = alice.call("GenerateVideo", request).job
    assert job.video.loop is True
    for field in ("last_frame", "source_video"):
        request = video()
        request.spec.loop, request.spec.model = True, "simulator-video"
        getattr(request.spec, field).media_id = picture
        refusal = alice.refused("GenerateVideo", request)
        assert (refusal.code, refusal.fields) == (Code.INVALID_ARGUMENT, ("spec.loop",))


def test_a_loop_costs_what_another_video_does(house: House) -> None:
    estimates = []
    for loop in (False, True):
        request = media_pb.EstimateCostRequest(video=video().spec)
        request.video.loop, request.video.model = loop, "simulator-video"
        estimates += house.caller("alice").call("EstimateCost", request).estimates
    assert estimates[0].cost == estimates[1].cost
    assert estimates[0].lines == estimates[1].lines
