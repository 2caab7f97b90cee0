"""Amounts, from micro-units to people and back, without a float in between."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import amount, read_amount


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "0.00"),
        (1, "0.000001"),
        (500_000, "0.50"),
        (1_230_000, "1.23"),
        (1_234_560, "1.23456"),
        (-10_000, "-0.01"),
        (-2_500_001, "-2.500001"),
        (9_007_199_254_740_993_000_000, "9007199254740993.00"),
    ],
)
def test_an_amount_has_two_decimals_or_as_many_as_it_needs(micros: int, text: str) -> None:
    assert amount(micros) == text


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("5", 5_000_000),
        ("5.00", 5_000_000),
        ("0.1", 100_000),
        (" 12.345678 ", 12_345_678),
        ("0", 0),
        ("999999999999.999999", 999_999_999_999_999_999),
    ],
)
def test_an_amount_is_read_to_the_micro(text: str, micros: int) -> None:
    assert read_amount(text) == micros


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "+1",
        "1,50",
        "1.",
        ".5",
        "1.2345678",
        "1e3",
        "0x1",
        "NaN",
        "inf",
        "٣",
        "1 USD",
        "1234567890123",
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"12\.50"):
        read_amount(text)


@given(st.integers(min_value=0, max_value=10**17))
def test_an_amount_survives_the_way_there_and_back(micros: int) -> None:
    assert read_amount(amount(micros)) == micros
