"""What can be said of an SSH secret without trying it.

Source: PROTOCOL.key and sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT", of OpenSSH.
"""

import base64
import binascii
import re

from uptainer.core.errors import InvalidInputError
from uptainer.core.secrets import SshSecret

_MAGIC = b"openssh-key-v1\0"
_NOT_LOCKED = _MAGIC + b"\0\0\0\x04none"
_KEY = re.compile(r"-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----\s(.*?)-----END \1PRIVATE KEY-----", re.DOTALL)
_KNOWN_HOST_FIELDS = 3


def check_secret(secret: SshSecret) -> None:
    """Raises InvalidInputError; the message never holds a part of the key."""
    check_private_key(secret.private_key)
    check_known_hosts(secret.known_hosts)


def check_private_key(text: str) -> None:
    found = _KEY.search(text)
    if found is None:
        raise InvalidInputError(
            "the private key is not one that OpenSSH reads: it begins with -----BEGIN OPENSSH PRIVATE KEY-----, and "
            "all of its lines belong to it"
        )
    kind, body = found.groups()
    if "ENCRYPTED" in kind or "ENCRYPTED" in body or (kind == "OPENSSH " and _is_locked(body)):
        raise InvalidInputError(
            "a passphrase protects the private key, and nobody is there to type it: make a key for Uptainer with "
            "`ssh-keygen -t ed25519 -N ''`"
        )


def check_known_hosts(text: str) -> None:
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines or any(len(fields) < _KNOWN_HOST_FIELDS for fields in lines):
        raise InvalidInputError(
            "the known hosts are not lines of host, kind and key, as `ssh-keyscan HOST` prints them"
        )


def _is_locked(body: str) -> bool:
    try:
        return not base64.b64decode("".join(body.split()), validate=True).startswith(_NOT_LOCKED)
    except binascii.Error:
        return False  # it is broken, which ssh will say
