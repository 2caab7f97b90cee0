import pytest

from server.http.ranges import Span, Unsatisfiable, matches, parse_range, range_applies


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", Span(0, 1)),
        ("bytes=0-99", Span(0, 100)),
        ("bytes=10-", Span(10, 100)),
        ("bytes=99-", Span(99, 100)),
        ("bytes=10-5000", Span(10, 100)),
        ("bytes=-1", Span(99, 100)),
        ("bytes=-100", Span(0, 100)),
        ("bytes=-5000", Span(0, 100)),
        ("Bytes=5-6", Span(5, 7)),
        (" bytes=5-6 ", Span(5, 7)),
    ],
)
def test_one_range_is_cut_to_the_blob(header: str, expected: Span) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=9-5",
        "bytes=1-2,4-5",
        "bytes= 1-2",
        "bytes=+1-2",
        "bytes=1--2",
        "bytes=-1-",
        "bytes=\u0661-\u0662",
        "items=0-5",
        "bytes=0-" + "9" * 5000,
    ],
)
def test_what_is_not_one_plain_range_gets_everything(header: str | None) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=999999999-", "bytes=-0"])
def test_a_range_outside_is_refused(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, 100)


def test_an_empty_blob_has_no_ranges() -> None:
    for header in ("bytes=0-", "bytes=0-0", "bytes=-5"):
        with pytest.raises(Unsatisfiable):
            parse_range(header, 0)


def test_entity_tags_are_compared_weakly_for_caches_and_strongly_for_ranges() -> None:
    etag = '"abc"'

    assert matches('"abc"', etag)
    assert matches('W/"abc"', etag)
    assert matches('"x", "abc"', etag)
    assert matches("*", etag)
    assert not matches('"abcd"', etag)
    assert not matches(None, etag)
    assert range_applies(None, etag)
    assert range_applies('"abc"', etag)
    assert not range_applies('W/"abc"', etag)
    assert not range_applies("Wed, 21 Oct 2026 07:28:00 GMT", etag)
