"""Pages of views that are joined of what was serialized before."""

from core.store.views import Version
from core.views import View
from rushes.v1 import view_service_pb2 as pb
from server.mapping import Mapper
from server.mapping.view_pages import ViewPages
from tests.making import new_media
from tests.unit.server.mapping.test_values import Signer


def some_views(count: int) -> dict[Version, View]:
    return {
        (f"v/{number}", number): View(view=f"v/{number}", media=new_media(), apply_time=1)
        for number in range(count)
    }


def test_a_page_is_known_once_all_of_its_views_were_made() -> None:
    # Given two views that were made, with addresses of a minute
    mapper = Mapper(Signer(), "EUR", 4)
    pages, views = ViewPages(mapper), some_views(2)
    made = pages.made(views, "t", 60)

    # Then their pages are known, and say what was said
    assert pages.known(list(views), "t", 60) == made
    said = pb.ListViewsResponse.FromString(made)
    assert list(said.views) == [mapper.view_to_proto(view, 60) for view in views.values()]
    assert said.next_page_token == "t"
    assert pages.known([], "", 60) == b""

    # And neither a page with other addresses nor one with another version of a view
    assert pages.known(list(views), "t", 61) is None
    assert pages.known([*views, ("v/0", 7)], "t", 60) is None


def test_only_so_many_bytes_are_kept_of_those_that_were_made_last() -> None:
    # Given room for two views
    views = some_views(4)
    mapper = Mapper(Signer(), "EUR", 4)
    pages = ViewPages(mapper, len(ViewPages(mapper).made(some_views(1), "", None)) * 2)

    # When four are made
    pages.made(views, "", None)

    # Then the last two are known
    assert [pages.known([version], "", None) is None for version in views] == [
        *(True, True, False, False),
    ]
