import pytest

from core.blobs.keys import checked, content_key, thumbnail_key
from core.ids import new_id


@pytest.mark.parametrize(
    "key",
    [content_key(new_id()), thumbnail_key(new_id()), f"tmp/{new_id()}", "a"],
    ids=["content", "thumbnail", "temporary", "shortest"],
)
def test_a_key_that_the_server_makes_is_taken(key: str) -> None:
    assert checked(key) == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/media/a",
        "media/",
        "media//a",
        "../a",
        "media/../a",
        "media/..",
        "media/.",
        "media/./a",
        "media/.hidden",
        "..%2fa",
        "%2e%2e/a",
        "C:\\a",
        "media\\a",
        "media/A",
        "media/a b",
        "media/a\n",
        "media/a\x00",
        "media/é",
        "media\u2215a",
        "media/a?b",
        "media/a#1",
        "~/a",
        "a" * 4096,
    ],
)
def test_any_other_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="not a blob key"):
        checked(key)
