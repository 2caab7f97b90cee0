"""Media that really is signed, as providers do it: with a certificate of the test's own."""

import datetime
import functools
import io

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_MADE_BY_A_MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_ACTION = {"action": "c2pa.created", "digitalSourceType": _MADE_BY_A_MODEL}
_MANIFEST = {
    "claim_generator_info": [{"name": "rushes tests", "version": "1"}],
    "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [_ACTION]}}],
}
_DAY = datetime.timedelta(days=1)


def signed(data: bytes, mime_type: str) -> bytes:
    """The media with a manifest in it."""
    target = io.BytesIO()
    with c2pa.Builder(_MANIFEST) as builder, c2pa.Signer.from_info(_identity()) as signer:
        builder.sign(signer, mime_type, io.BytesIO(data), target)
    return target.getvalue()


def is_valid(data: bytes, mime_type: str) -> bool:
    """Whether the manifest fits every byte of the media, whoever signed it."""
    with c2pa.Reader(mime_type, io.BytesIO(data)) as reader:
        return bool(reader.get_validation_state() == "Valid")


@functools.cache
def _identity() -> c2pa.C2paSignerInfo:
    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    chain = [_certificate("signer", own, authority), _certificate("root", authority, authority)]
    key = own.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
    return c2pa.C2paSignerInfo(
        alg=c2pa.C2paSigningAlg.ES256, sign_cert=pem, private_key=key, ta_url=None
    )


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, authority: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    """What C2PA asks of a certificate: who made it, what for, and not for everything."""
    root, now = key is authority, datetime.datetime.now(datetime.UTC)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named("root"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.BasicConstraints(root, None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not root, key_cert_sign=root, crl_sign=root, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False
        )
    )
    if not root:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purposes, critical=False)
    return builder.sign(authority, hashes.SHA256())


def _named(name: str) -> x509.Name:
    parts = {NameOID.ORGANIZATION_NAME: "Rushes tests", NameOID.COMMON_NAME: name}
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in parts.items()])
