"""Why a signature does not count."""

from collections.abc import Iterator
from contextlib import contextmanager

from uptainer.core.errors import PermanentError


class DoubtError(PermanentError):
    """This signature proves nothing; the message says why. Others of the same image may still hold."""


@contextmanager
def doubting() -> Iterator[None]:
    """Whoever may push a signature writes all of it, its certificate too: what fails of that is a doubt of this one, and
    must not keep the others from being read.
    """
    try:
        yield
    except DoubtError:
        raise
    except Exception as error:  # the libraries' errors for malformed certificates have no base of their own
        raise DoubtError(f"it cannot be read ({type(error).__name__})") from error
