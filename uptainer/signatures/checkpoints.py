"""That an entry is in a transparency log's tree, and that the log itself says so: proofs of inclusion and checkpoints.

Source: https://github.com/C2SP/C2SP/blob/main/tlog-checkpoint.md and `signed-note.md`; RFC 6962, section 2.1.1.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from uptainer.signatures.keys import PublicKey, is_signed, key_id, note_id
from uptainer.signatures.refusals import DoubtError

_DASH = "\N{EM DASH}"
_HINT = 4
"""So many bytes of the key's id stand before each signature of a note."""


@dataclass(frozen=True, slots=True)
class Proof:
    """That an entry is the `index`-th leaf of a tree of `size` leaves; `checkpoint` is the log's word on that tree."""

    index: int
    size: int
    root: bytes
    hashes: tuple[bytes, ...]
    checkpoint: str

    @property
    def origin(self) -> str:
        """The log that the checkpoint says it is of, without the number of a tree that Rekor 1 puts behind the name.
        Nobody's word until it is proved.
        """
        return self.checkpoint.partition("\n")[0].partition(" ")[0]


def prove_inclusion(body: bytes, proof: Proof, key: PublicKey) -> None:
    """Raise DoubtError unless the log of this key has the entry in the tree that it signed, by the tree's own name."""
    if _root_of(body, proof) != proof.root:
        raise DoubtError("its log entry is not in the log's tree")
    note, separator, signatures = proof.checkpoint.rpartition("\n\n")
    lines = note.split("\n")
    if not separator or len(lines) < 3 or (lines[1], lines[2]) != _tree(proof):  # noqa: PLR2004 -- origin, size, root
        raise DoubtError("the log's checkpoint is of another tree")
    signed = f"{note}\n".encode()
    if not any(is_signed(key, each, signed) for each in _signatures(signatures, key, proof.origin)):
        raise DoubtError("the log's checkpoint is not signed by the log")


def _tree(proof: Proof) -> tuple[str, str]:
    return str(proof.size), base64.b64encode(proof.root).decode()


def _signatures(text: str, key: PublicKey, name: str) -> Iterator[bytes]:
    """Those that say they are of this key. Beside them may stand those of witnesses, whom nobody trusts here."""
    hints = {key_id(key)[:_HINT], note_id(name, key)[:_HINT]}
    for line in text.split("\n"):
        head, _, encoded = line.rpartition(" ")
        found = _decode(encoded) if head == f"{_DASH} {name}" else b""
        if found[:_HINT] in hints:
            yield found[_HINT:]


def _root_of(body: bytes, proof: Proof) -> bytes:
    """RFC 9162, 2.1.3.2: the root that the leaf and the hashes of the proof make."""
    if not 0 <= proof.index < proof.size:
        raise DoubtError("its log entry is not in the log's tree")
    node, last = proof.index, proof.size - 1
    made = hashlib.sha256(b"\x00" + body).digest()
    for sibling in proof.hashes:
        if last == 0:
            raise DoubtError("the proof that it is in the log is too long")
        if node & 1 or node == last:
            made = hashlib.sha256(b"\x01" + sibling + made).digest()
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            made = hashlib.sha256(b"\x01" + made + sibling).digest()
        node, last = node >> 1, last >> 1
    if last:
        raise DoubtError("the proof that it is in the log is too short")
    return made


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DoubtError("a signature of the log's checkpoint is not base64") from error
