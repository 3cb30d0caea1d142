"""Timestamps of RFC 3161: what an authority has signed about a checkpoint, and whom it was signed by.

The timestamp is over the SHA-256 of the text that the log signs (origin, size, root), so that it can be
checked with the entries alone, whatever signatures have been added since:

    openssl ts -verify -in timestamp/15.tsr -data 15.txt -CAfile authority.pem
"""

from __future__ import annotations

import importlib.util
import re
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from foreseal.chain.der import sort_certificates
from foreseal.clock import format_instant
from foreseal.errors import Malformed, MissingExtra, ProofError, SettingsError, Tampered
from foreseal.seal.anchor import MAX_TOKEN, Attestation
from foreseal.seal.checkpoint import parse_checkpoint
from foreseal.seal.disk import read_file

if TYPE_CHECKING:
    from rfc3161_client import Accuracy, SignedData, TimeStampResponse

EXTRA = "timestamp"
# How far an authority's clock and ours may lie apart.
MAX_SKEW = timedelta(minutes=5)
MAX_CERTIFICATES = 1 << 16

_CLOCK = "One of the two clocks is wrong."
_UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    OverflowError,
    x509.InvalidVersion,
    CryptographyDeprecationWarning,
)
_SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")


@dataclass(frozen=True, slots=True)
class Authority:
    """Whose timestamps are believed: root certificates, what leads to them, the signer's own if named."""

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...] = ()
    signer: x509.Certificate | None = None

    @classmethod
    def parse(cls, pem: bytes, name: str = "the certificate") -> Authority:
        """From PEM: at least a root certificate; if the authority's own is there, no other signer will do."""
        try:
            found = x509.load_pem_x509_certificates(pem)
        except ValueError:
            raise SettingsError(f"{name} holds no certificates in PEM form.") from None
        signers = [each for each in found if not _is_ca(each)]
        chain = [each for each in found if _is_ca(each)]
        roots = tuple(each for each in chain if each.issuer == each.subject)
        if not roots:
            raise SettingsError(
                f"{name} holds no root certificate, so no timestamp can be traced to it.",
                hint="Put the authority's root certificate into the same file.",
            )
        if len(signers) > 1:
            raise SettingsError(f"{name} names {len(signers)} signers of timestamps; one file names one.")
        rest = tuple(each for each in chain if each not in roots)
        return cls(roots, rest, signers[0] if signers else None)

    @classmethod
    def load(cls, path: Path) -> Authority:
        """From a PEM file. Raises `SettingsError`."""
        try:
            return cls.parse(read_file(path, MAX_CERTIFICATES), str(path))
        except ProofError as error:
            raise SettingsError(error.message, hint="Name a PEM file with the certificates.") from None


def available() -> bool:
    """Whether timestamps can be checked here."""
    return importlib.util.find_spec("rfc3161_client") is not None


def check_token(
    token: bytes,
    text: str,
    authority: Authority,
    *,
    nonce: int | None = None,
    earliest: datetime | None = None,
    latest: datetime | None = None,
) -> Attestation:
    """Check a timestamp (RFC 3161, 2.4.2) of a checkpoint, given by the text that its log signs.

    ``nonce`` is that of the request, where it was asked for just now; the time must not lie much before
    ``earliest`` or after ``latest``. What is attested is the last moment that the authority's accuracy
    allows. Raises `Malformed`, `Tampered`, or `MissingExtra`.
    """
    checkpoint = parse_checkpoint(text)
    found = _parse(token, authority)
    if found.algorithm != _SHA256 or found.digest != sha256(text.encode()).digest():
        raise Tampered(f"the timestamp is not of the {checkpoint.size} entries of {checkpoint.origin}.")
    if nonce is not None and found.nonce != nonce:
        raise Tampered("the timestamp answers another request: its nonce differs.")
    _check_signature(found, authority)
    says = f"the timestamp by {found.by} says {format_instant(found.at)}"
    if latest is not None and found.at > latest + MAX_SKEW:
        raise Tampered(f"{says}, but it is {format_instant(latest)} here.", hint=_CLOCK)
    if earliest is not None and found.at < earliest - MAX_SKEW:
        raise Tampered(f"{says}, but was asked for at {format_instant(earliest)}.", hint=_CLOCK)
    return Attestation(
        checkpoint.origin, checkpoint.size, found.at + found.accuracy, f"timestamp of {found.by}"
    )


@dataclass(frozen=True, slots=True)
class _Token:
    """What a response says; nothing of it is checked yet."""

    response: TimeStampResponse
    algorithm: x509.ObjectIdentifier
    digest: bytes
    nonce: int | None
    at: datetime
    accuracy: timedelta
    by: str


def _parse(token: bytes, authority: Authority) -> _Token:
    if not available():
        raise MissingExtra(EXTRA, "Checking a timestamp")
    from rfc3161_client import PKIStatus, decode_timestamp_response

    if len(token) > MAX_TOKEN:
        raise Malformed(f"a timestamp has {len(token)} bytes; the limit is {MAX_TOKEN}.")
    try:
        response = decode_timestamp_response(sort_certificates(token))
        if response.status != PKIStatus.GRANTED:
            why = "; ".join(response.status_string)
            raise Tampered(
                f"the authority gave no timestamp (status {response.status}{f': {why}' if why else ''})."
            )
        info = response.tst_info
        return _Token(
            response,
            info.message_imprint.hash_algorithm,
            info.message_imprint.message,
            info.nonce,
            info.gen_time.astimezone(UTC),
            _span(info.accuracy),
            _signer(response.signed_data, authority),
        )
    except (
        ValueError,
        TypeError,
        KeyError,
        OverflowError,
        x509.InvalidVersion,
        CryptographyDeprecationWarning,
    ):
        raise Malformed("this is no timestamp (RFC 3161).") from None


def _signer(signed: SignedData, authority: Authority) -> str:
    """The subject of the one certificate, in the timestamp or named, that is said to have signed."""
    with warnings.catch_warnings():
        # A serial number that is not positive (RFC 5280, 4.1.2.2) is an error here, too.
        warnings.simplefilter("error", CryptographyDeprecationWarning)
        found = [x509.load_der_x509_certificate(each) for each in signed.certificates]
        found += [authority.signer] if authority.signer else []
        signers = {(each.issuer, each.serial_number) for each in signed.signer_infos}
        own = [each for each in found if (each.issuer, each.serial_number) in signers]
    if len(signers) != 1 or not own:
        raise Tampered("the timestamp does not say who signed it.")
    return str(own[0].subject.rfc4514_string())


def _check_signature(token: _Token, authority: Authority) -> None:
    """Check signature, chain and purpose as of the time attested."""
    from rfc3161_client import VerificationError, VerifierBuilder

    verifier = VerifierBuilder(
        roots=list(authority.roots),
        intermediates=list(authority.intermediates),
        tsa_certificate=authority.signer,
    ).build()
    try:
        verifier.verify(token.response, token.digest)
    except (VerificationError, ValueError, x509.DuplicateExtension) as error:
        raise Tampered(
            f"the timestamp by {token.by} is not one of the authority that you named, or its signature is "
            f"wrong ({_reason(str(error))})."
        ) from None


def _span(accuracy: Accuracy | None) -> timedelta:
    if accuracy is None:
        return timedelta(0)
    return timedelta(
        seconds=accuracy.seconds or 0, milliseconds=accuracy.millis or 0, microseconds=accuracy.micros or 0
    )


def _reason(text: str) -> str:
    """OpenSSL's reason out of its stack of errors."""
    found = re.search(r'Verify error: ([^"]*)', text) or re.search(r'reason: "([^"]*)"', text)
    return str(found[1]) if found else text


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False
