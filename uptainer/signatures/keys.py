"""Public keys and what they signed.

Source: https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md, RFC 8032, FIPS 186-5;
https://github.com/C2SP/C2SP/blob/main/signed-note.md, "Signature types".
"""

import hashlib
from collections.abc import Iterator

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from uptainer.core.errors import InvalidInputError

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

_CURVES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
_RSA_BITS = 2048


def read_key(pem: str) -> PublicKey:
    """A public key in PEM: ECDSA on P-256, P-384 or P-521, RSA of 2048 bits or more, or Ed25519.

    Raises:
        InvalidInputError: it is another, or none; a private key is refused, for we have no business with one.
    """
    if "PRIVATE KEY" in pem:
        raise InvalidInputError(
            "this is a private key, which only its owner should have: give the public one (cosign.pub)"
        )
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInputError(
            "this is no public key in PEM (-----BEGIN PUBLIC KEY-----): cosign keeps it in cosign.pub"
        ) from error
    return as_key(key)


def as_key(key: object) -> PublicKey:
    """The key, where it is of a kind that is taken.

    Raises:
        InvalidInputError: it is not.
    """
    match key:
        case ed25519.Ed25519PublicKey():
            return key
        case ec.EllipticCurvePublicKey() if key.curve.name in _CURVES:
            return key
        case rsa.RSAPublicKey() if key.key_size >= _RSA_BITS:
            return key
    raise InvalidInputError(
        "this key is of a kind that is not taken: ECDSA on P-256, P-384 or P-521, RSA from 2048 bits on, Ed25519"
    )


def pem_of(key: PublicKey) -> str:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def key_id(key: PublicKey) -> bytes:
    """SHA-256 of the key in DER, as Rekor and Certificate Transparency name their logs (RFC 6962, 3.2)."""
    return hashlib.sha256(_der_of(key)).digest()


def note_id(name: str, key: PublicKey) -> bytes:
    """The whole of the hash whose first four bytes name a key in a signed note; with ECDSA, the name has no part in it."""
    head = f"{name}\n".encode()
    match key:
        case ed25519.Ed25519PublicKey():
            return hashlib.sha256(head + b"\x01" + key.public_bytes_raw()).digest()
        case rsa.RSAPublicKey():
            return hashlib.sha256(head + b"\xffPKIX-RSA-PKCS#1v1.5" + _der_of(key)).digest()
        case ec.EllipticCurvePublicKey():
            return key_id(key)


def _der_of(key: PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def is_signed(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether this key signed this message. With ECDSA, cosign takes SHA-256 for every curve, and others the curve's."""
    return any(_holds(key, signature, message, algorithm) for algorithm in _algorithms(key))


def _algorithms(key: PublicKey) -> Iterator[hashes.HashAlgorithm]:
    yield hashes.SHA256()
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name != "secp256r1":
        yield _CURVES[key.curve.name]


def _holds(key: PublicKey, signature: bytes, message: bytes, algorithm: hashes.HashAlgorithm) -> bool:
    try:
        match key:
            case ec.EllipticCurvePublicKey():
                key.verify(signature, message, ec.ECDSA(algorithm))
            case rsa.RSAPublicKey():
                key.verify(signature, message, padding.PKCS1v15(), algorithm)
            case ed25519.Ed25519PublicKey():
                key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
