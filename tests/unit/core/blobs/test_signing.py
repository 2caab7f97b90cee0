from urllib.parse import parse_qs, urlsplit

import pytest

from core.blobs import AddressSigner, Variant
from core.errors import CredentialsExpired, CredentialsInvalid
from core.ids import new_id

NOW = 1_800_000_000.0
LATER = 1_800_000_060
MEDIA_ID = new_id()
signer = AddressSigner("https://rushes.example/", b"k" * 32)


def made(variant: Variant = Variant.CONTENT, expire_time_s: int = LATER) -> tuple[str, str]:
    """The expiry and the signature of a fresh address."""
    query = parse_qs(urlsplit(signer.url(MEDIA_ID, variant, expire_time_s)).query)
    return query["expire_time"][0], query["signature"][0]


def test_an_address_is_absolute_and_opens_its_own_variant() -> None:
    url = urlsplit(signer.url(MEDIA_ID, Variant.THUMBNAIL, LATER))
    expire_time, signature = made(Variant.THUMBNAIL)

    assert f"{url.scheme}://{url.netloc}" == "https://rushes.example"
    assert url.path == f"/media/{MEDIA_ID}/thumbnail"
    assert signer.verify(MEDIA_ID, Variant.THUMBNAIL, expire_time, signature, NOW) == LATER


def test_another_item_or_variant_is_refused() -> None:
    expire_time, signature = made()

    with pytest.raises(CredentialsInvalid):
        signer.verify(new_id(), Variant.CONTENT, expire_time, signature, NOW)
    with pytest.raises(CredentialsInvalid):
        signer.verify(MEDIA_ID, Variant.THUMBNAIL, expire_time, signature, NOW)


@pytest.mark.parametrize(
    "expire_time",
    ["", "1800000061", "01800000060", "+1800000060", " 1800000060", "1800000060.0", "٣", "nan"],
)
def test_another_expiry_is_refused(expire_time: str) -> None:
    _, signature = made()

    with pytest.raises(CredentialsInvalid):
        signer.verify(MEDIA_ID, Variant.CONTENT, expire_time, signature, NOW)


def test_every_changed_character_of_a_signature_is_refused() -> None:
    expire_time, signature = made()

    for at, character in enumerate(signature):
        changed = signature[:at] + ("A" if character != "A" else "B") + signature[at + 1 :]
        with pytest.raises(CredentialsInvalid):
            signer.verify(MEDIA_ID, Variant.CONTENT, expire_time, changed, NOW)


@pytest.mark.parametrize("change", ["empty", "cut", "padded", "upper", "long", "odd"])
def test_a_signature_of_another_form_is_refused(change: str) -> None:
    expire_time, signature = made()
    changed = {
        "empty": "",
        "cut": signature[:-1],
        "padded": signature + "=",
        "upper": signature.upper(),
        "long": signature * 100,
        "odd": "\udcff\x00é",
    }[change]

    with pytest.raises(CredentialsInvalid):
        signer.verify(MEDIA_ID, Variant.CONTENT, expire_time, changed, NOW)


def test_another_installations_signature_is_refused() -> None:
    other = AddressSigner("https://rushes.example", b"o" * 32)
    expire_time, signature = made()

    with pytest.raises(CredentialsInvalid):
        other.verify(MEDIA_ID, Variant.CONTENT, expire_time, signature, NOW)


def test_an_address_ends_at_its_expiry() -> None:
    expire_time, signature = made()

    signer.verify(MEDIA_ID, Variant.CONTENT, expire_time, signature, LATER - 0.001)
    with pytest.raises(CredentialsExpired, match="expired"):
        signer.verify(MEDIA_ID, Variant.CONTENT, expire_time, signature, float(LATER))
