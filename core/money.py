"""Money: integer micro-units of the installation's currency, and amounts as people write them."""

import re

MICROS = 1_000_000
_AMOUNT = re.compile(r"(?P<whole>[0-9]{1,12})(\.(?P<part>[0-9]{1,6}))?")


def amount(micros: int) -> str:
    """The amount as people write it, with two decimals or as many as it needs: "1.23"."""
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    whole, part = divmod(micros, MICROS)
    return f"{sign}{whole}.{f'{part:06d}'.rstrip('0').ljust(2, '0')}"


def read_amount(text: str) -> int:
    """Micro-units of an amount such as "1.23".

    Raises:
        ValueError: when it is no amount, is negative, or has more than six decimals.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise ValueError("use an amount such as 12.50")
    return int(found["whole"]) * MICROS + int((found["part"] or "").ljust(6, "0"))
