"""Keys for what reads them from files only, without leaving any behind."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def private_file(content: str) -> Iterator[str]:
    """A path from which this process and its children can read `content` until the block ends.

    On Linux it lies in memory and is gone with this process, however that ends (memfd_create(2)). Elsewhere it is a
    file that only this user can read.
    """
    if not hasattr(os, "memfd_create"):
        with tempfile.NamedTemporaryFile("w", prefix="uptainer-", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            yield file.name
        return
    number = os.memfd_create("uptainer", os.MFD_CLOEXEC)
    try:
        os.fchmod(number, 0o600)  # ssh takes no key that others could read
        with os.fdopen(os.dup(number), "w", encoding="utf-8") as file:
            file.write(content)
        yield f"/proc/{os.getpid()}/fd/{number}"
    finally:
        os.close(number)
