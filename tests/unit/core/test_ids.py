import time
import uuid

import pytest

from core.ids import is_id, new_id


def test_an_id_is_a_uuid_of_version_7_and_its_variant() -> None:
    for _ in range(200):
        made = uuid.UUID(new_id())
        assert made.version == 7
        assert made.variant == uuid.RFC_4122
        assert is_id(str(made))


def test_an_id_tells_the_millisecond_in_which_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_id()).int >> 80
    assert before <= made <= time.time_ns() // 1_000_000


def test_ids_sort_by_the_time_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for milliseconds in (1, 255, 256, 1_700_000_000_000, 1_700_000_000_001, 2**47):
        monkeypatch.setattr("core.ids.time.time_ns", lambda ms=milliseconds: ms * 1_000_000)
        made.append(new_id())
    assert made == sorted(made)


def test_no_id_is_made_twice() -> None:
    assert len({new_id() for _ in range(5000)}) == 5000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "0190b5a0-0000-7000-8000-00000000000",
        "0190b5a0-0000-7000-8000-0000000000000",
        "0190B5A0-0000-7000-8000-000000000000",
        "0190b5a0000070008000000000000000",
        "{0190b5a0-0000-7000-8000-000000000000}",
        "0190b5a0-0000-7000-8000-000000000000\n",
        "0190b5a0-0000-7000-8000-00000000000g",
        "٠190b5a0-0000-7000-8000-000000000000",
    ],
)
def test_other_text_is_no_id(text: str) -> None:
    assert not is_id(text)
