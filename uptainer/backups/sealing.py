"""Encryption of backups in the age format (https://age-encryption.org/v1), which the plain `age` tool reads.

With a passphrase each backup has a key of its own, which lies beside it as `key.age`, locked by the passphrase: age
takes such a file for `--identity`. To recipients, their public keys are enough to write, and a private one to read.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import pyrage
from pyrage import x25519

from uptainer.backups.files import Sink, Source
from uptainer.core.errors import DamagedError, InvalidInputError, PermanentError

KEY_FILE = "key.age"
SUFFIX = ".age"
_PIECE = 1 << 20
_REFUSED = (pyrage.EncryptError, pyrage.DecryptError, OSError)
"""How age says that something is wrong, and how it hands on what a stream of ours raised."""


@dataclass(frozen=True, slots=True, repr=False)
class Cipher:
    """The keys of one backup. `key_file` has to lie beside what is encrypted, where there is one."""

    recipients: tuple[x25519.Recipient, ...]
    identities: tuple[x25519.Identity, ...]
    key_file: bytes | None = None

    @property
    def opens(self) -> bool:
        return bool(self.identities)

    def encrypt(self, chunks: Iterable[bytes], sink: Sink) -> None:
        """Raises: whatever `chunks` and `sink` raise."""
        reader, writer = _Reader(iter(chunks)), _Writer(sink)
        try:
            pyrage.encrypt_io(reader, writer, self.recipients)
        except _REFUSED as error:
            raise (
                reader.fault or writer.fault or PermanentError(f"it could not be encrypted: {error}")
            ) from error

    def encrypt_bytes(self, content: bytes) -> bytes:
        return bytes(pyrage.encrypt(content, self.recipients))

    @contextmanager
    def decrypt(self, source: Source) -> Iterator[Source]:
        """What was encrypted, as it comes: to be read to its end, for only there it is known to be whole.

        Raises:
            DamagedError: it is not what was encrypted.
            PermanentError: none of the keys opens it.
        """
        reader = _Reader(iter(partial(source.read, _PIECE), b""))
        inward, outward = os.pipe()
        worker = _Worker(partial(_decrypt, reader, outward, self.identities))
        worker.start()
        try:
            with os.fdopen(inward, "rb") as plain:  # once it is closed, a worker that still writes ends
                yield plain
        finally:
            worker.join()
        if worker.fault is not None:
            raise reader.fault or _fault(worker.fault) from worker.fault

    def decrypt_bytes(self, content: bytes) -> bytes:
        """Raises: as `decrypt`."""
        try:
            return bytes(pyrage.decrypt(content, self.identities))
        except _REFUSED as error:
            raise _fault(error) from error


@dataclass(frozen=True, slots=True, repr=False)
class Seal:
    """How a store's backups are encrypted: to `recipients`, or by a passphrase. `identities` are private keys."""

    recipients: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    passphrase: str = ""

    @property
    def opens(self) -> bool:
        """Whether what is written can be read here again."""
        return bool(self.passphrase or self.identities)

    def check(self) -> None:
        """Raises: InvalidInputError, where a key is none, or there is nothing to encrypt to."""
        if self.passphrase and (self.recipients or self.identities):
            raise InvalidInputError("give a passphrase or keys, and not both")
        if not self.passphrase and not self._recipients():
            raise InvalidInputError("there is no key to encrypt to")

    def begin(self) -> Cipher:
        """The keys for a new backup. With a passphrase it takes a second, which is what makes guessing slow."""
        if not self.passphrase:
            return Cipher(self._recipients(), self._identities())
        own = x25519.Identity.generate()
        locked = pyrage.passphrase.encrypt(f"{own}\n".encode(), self.passphrase)
        return Cipher((own.to_public(),), (own,), locked)

    def open(self, key_file: bytes | None) -> Cipher:
        """The keys of a backup that lies there; `key_file` is what lies beside it.

        Raises:
            PermanentError: this is not its passphrase, or it was encrypted another way.
        """
        if key_file is None:
            if not self.identities:
                raise PermanentError("it was encrypted to keys, and no private key is given")
            return Cipher(self._recipients(), self._identities())
        if not self.passphrase:
            raise PermanentError("it was encrypted by a passphrase, and none is given")
        try:
            own = pyrage.passphrase.decrypt(key_file, self.passphrase).decode().strip()
        except _REFUSED as error:
            raise PermanentError("the passphrase does not open it") from error
        return Cipher((), _read_identities([own]))

    def _recipients(self) -> tuple[x25519.Recipient, ...]:
        """Who holds a private key may always read."""
        own = [str(each.to_public()) for each in self._identities()]
        return tuple(map(_read_recipient, dict.fromkeys((*self.recipients, *own))))

    def _identities(self) -> tuple[x25519.Identity, ...]:
        return _read_identities(self.identities)


def _read_recipient(text: str) -> x25519.Recipient:
    try:
        return x25519.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise InvalidInputError(
            f"{text!r} is not a public key of age, as `age-keygen -y` prints it"
        ) from error


def _read_identities(texts: Sequence[str]) -> tuple[x25519.Identity, ...]:
    """Raises InvalidInputError, which does not repeat what was given."""
    try:
        return tuple(map(x25519.Identity.from_str, texts))
    except pyrage.IdentityError:
        raise InvalidInputError(
            "a private key is none of age's: they begin with AGE-SECRET-KEY-1, as `age-keygen` writes them"
        ) from None


def _decrypt(reader: "_Reader", outward: int, identities: Sequence[x25519.Identity]) -> None:
    with os.fdopen(outward, "wb") as plain:
        pyrage.decrypt_io(reader, plain, identities)


def _fault(error: BaseException) -> PermanentError:
    if "No matching keys" in str(error):
        return PermanentError("none of the store's keys opens it, or its first bytes are damaged")
    return DamagedError(f"it does not decrypt, so it is damaged: {error}")


class _Worker(threading.Thread):
    """Age pushes and we pull: it works beside us, no further ahead than a pipe holds."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(name="age", daemon=True)
        self._work = work
        self.fault: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 -- whatever it is, who reads raises it
            self.fault = error


class _Reader:
    """The chunks as a file. What they raise is kept, for age hands on no more than its words."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")
        self.fault: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            while not self._rest:
                self._rest = memoryview(next(self._chunks))
        except StopIteration:
            return b""
        except BaseException as error:
            self.fault = error
            raise
        found = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(found) :]
        return bytes(found)


class _Writer:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.fault: BaseException | None = None

    def write(self, data: bytes) -> int:
        try:
            self._sink.write(data)
        except BaseException as error:
            self.fault = error
            raise
        return len(data)

    def flush(self) -> None:
        """A sink writes at once."""
