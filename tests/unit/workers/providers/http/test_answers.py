import base64
import io
import json
from typing import Any

import pytest

from workers.providers.http.answers import (
    AnswerReader,
    AnswerUnreadable,
    Base64File,
    ResultDamaged,
    ResultTooLarge,
)

FILMS = (b"first film \xff\xfe?>", b"second film, which is longer")
NAME = "bytesBase64Encoded"
CHUNKS = (1, 2, 3, 7, 64, 10_000)


def answer(*films: bytes, **more: Any) -> dict[str, Any]:
    videos = [
        {"bytesBase64Encoded": base64.b64encode(film).decode(), "mimeType": "video/mp4"}
        for film in films
    ]
    return {"name": 'an "operation" \\ here', "done": True, "response": {"videos": videos, **more}}


def google_json(values: dict[str, Any]) -> bytes:
    """As Google writes it: with "/" and "=" escaped inside of base64."""
    text = json.dumps(values, indent=2)
    for film in FILMS:
        plain = base64.b64encode(film).decode()
        text = text.replace(plain, plain.replace("/", "\\/").replace("=", "\\u003d"))
    return text.encode()


def read(reader: AnswerReader, data: bytes, size: int = 7) -> dict[str, Any]:
    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])
    return reader.close()


@pytest.mark.parametrize("size", CHUNKS)
def test_however_it_is_cut_the_answer_is_kept_without_its_results(size: int) -> None:
    values = read(AnswerReader(NAME), google_json(answer(*FILMS, raiMediaFilteredCount=1)), size)
    expected = answer(b"", b"", raiMediaFilteredCount=1)
    for number, video in enumerate(expected["response"]["videos"]):
        video[NAME] = str(number)
    assert values == expected


@pytest.mark.parametrize("size", CHUNKS)
@pytest.mark.parametrize("number", [0, 1])
def test_however_it_is_cut_each_result_is_decoded_byte_for_byte(number: int, size: int) -> None:
    file = io.BytesIO()
    decoder = Base64File(number, file, 1000)
    read(AnswerReader(NAME, decoder.take), google_json(answer(*FILMS)), size)
    decoder.close()
    assert file.getvalue() == FILMS[number]


def test_an_empty_result_stays_empty_and_is_counted() -> None:
    videos = read(AnswerReader(NAME), google_json(answer(b"", b"x")))["response"]["videos"]
    assert [video[NAME] for video in videos] == ["", "1"]


def test_both_alphabets_of_base64_are_read() -> None:
    data = bytes(range(256))
    file = io.BytesIO()
    decoder = Base64File(0, file, 1000)
    decoder.take(0, base64.urlsafe_b64encode(data))
    decoder.close()
    assert file.getvalue() == data


def test_a_result_that_begins_is_noticed_before_it_ends() -> None:
    reader = AnswerReader(NAME)
    reader.feed(b'{"done": true, "response": {"videos": [{"bytesBase64Encoded"')
    assert not reader.inline
    reader.feed(b' : "AAAA')
    assert reader.inline
    assert not reader.whole(0)
    reader.feed(b'"')
    assert reader.whole(0)
    assert not reader.whole(1)


def test_what_only_looks_like_a_result_is_kept() -> None:
    reason = 'it says "bytesBase64Encoded": "AAAA" and \\ ends'
    reader = AnswerReader(NAME)
    values = read(reader, json.dumps(answer(raiMediaFilteredReasons=[reason])).encode())
    assert values["response"]["raiMediaFilteredReasons"] == [reason]
    assert not reader.inline


@pytest.mark.parametrize("data", [b"", b"[]", b'{"done": true', b"\xff\xfe", b"<html>"])
def test_what_is_no_whole_answer_is_unreadable(data: bytes) -> None:
    with pytest.raises(AnswerUnreadable):
        read(AnswerReader(NAME), data)


def test_an_answer_that_is_long_without_results_is_unreadable() -> None:
    reader = AnswerReader(NAME)
    with pytest.raises(AnswerUnreadable):
        reader.feed(b'{"name": "' + b"x" * 2**20)


def test_an_escape_that_base64_can_not_have_is_unreadable() -> None:
    with pytest.raises(AnswerUnreadable):
        AnswerReader(NAME).feed(b'{"bytesBase64Encoded": "AA\\qA"}')


def test_a_result_that_is_too_large_is_not_written() -> None:
    file = io.BytesIO()
    decoder = Base64File(0, file, 4)
    with pytest.raises(ResultTooLarge):
        decoder.take(0, base64.b64encode(b"12345"))
    assert not file.getvalue()


def test_a_result_that_ends_in_the_middle_of_a_group_is_damaged() -> None:
    decoder = Base64File(0, io.BytesIO(), 1000)
    decoder.take(0, b"AAAAA")
    with pytest.raises(ResultDamaged):
        decoder.close()


@pytest.mark.parametrize("piece", [b"AAA!", b"A===", b"AA==AAAA", b"\xff\xff\xff\xff"])
def test_a_result_that_is_no_base64_is_damaged(piece: bytes) -> None:
    decoder = Base64File(0, io.BytesIO(), 1000)
    with pytest.raises(ResultDamaged):
        decoder.take(0, piece)
