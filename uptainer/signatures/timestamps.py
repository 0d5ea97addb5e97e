"""When a signature was made, by the word of a timestamp authority that is trusted.

Source: RFC 3161; https://github.com/sigstore/architecture-docs/blob/main/client-spec.md, "Timestamping Service".
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography import x509
from rfc3161_client import TimeStampResponse, VerificationError, VerifierBuilder, decode_timestamp_response

from uptainer.signatures.refusals import DoubtError
from uptainer.signatures.roots import Authority

_HASHES: Mapping[str, Callable[[bytes], Any]] = {
    "2.16.840.1.101.3.4.2.1": hashlib.sha256,
    "2.16.840.1.101.3.4.2.2": hashlib.sha384,
    "2.16.840.1.101.3.4.2.3": hashlib.sha512,
}


def prove_timestamp(token: bytes, signature: bytes, authorities: Sequence[Authority]) -> datetime:
    """When one of the authorities saw this signature; `token` is a timestamp response in DER.

    Raises:
        DoubtError: none did, or the one that did was not trusted at that time.
    """
    if not authorities:
        raise DoubtError("the root that is trusted names no authority for its timestamp")
    try:
        response = decode_timestamp_response(token)
        at = response.tst_info.gen_time
    except ValueError as error:
        raise DoubtError("its timestamp cannot be read") from error
    _require_over(response, signature)
    signers = [each for each in authorities if _is_made_by(each, response)]
    if not signers:
        raise DoubtError("its timestamp is of no authority that is trusted, or was changed")
    if not any(each.held(at) for each in signers):
        raise DoubtError(f"its timestamp is of {at:%Y-%m-%d %H:%M} UTC, when its authority was not trusted")
    return at


def _require_over(response: TimeStampResponse, signature: bytes) -> None:
    imprint = response.tst_info.message_imprint
    hashed = _HASHES.get(imprint.hash_algorithm.dotted_string)
    if hashed is None:
        raise DoubtError(
            f"its timestamp has a hash that is not taken: {imprint.hash_algorithm.dotted_string}"
        )
    if hashed(signature).digest() != imprint.message:
        raise DoubtError("its timestamp is over another signature")


def _is_made_by(authority: Authority, response: TimeStampResponse) -> bool:
    """Its chain is verified at the time of the timestamp. A signer whom the root names is the only one: else whoever is
    given another certificate under the same root would be taken, too.
    """
    chain = list(authority.read())
    signer = None if _is_authority(chain[0]) else chain[0]
    builder = VerifierBuilder(tsa_certificate=signer, roots=chain[1:] if signer and chain[1:] else chain)
    try:
        return builder.build().verify(response, response.tst_info.message_imprint.message)
    except (VerificationError, ValueError):
        return False


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
