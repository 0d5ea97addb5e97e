"""Several containers put back one after the other, of which somebody else may have replaced some meanwhile. Pure."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from uptainer.core.errors import SupersededError, TemporaryError, UptainerError

T = TypeVar("T")


def put_back_each(things: Iterable[T], put_back: Callable[[T], None]) -> None:
    """All of them, though one fails: the others are not left down for its sake.

    Raises:
        TemporaryError: one of them failed, and may not when it is tried again.
        UptainerError: the first that failed.
        SupersededError: none failed, and some are somebody else's by now. The message says which.
    """
    faults: list[UptainerError] = []
    for thing in things:
        try:
            put_back(thing)
        except UptainerError as fault:
            faults.append(fault)
    theirs = [each for each in faults if isinstance(each, SupersededError)]
    failed = [each for each in faults if each not in theirs]
    if failed:
        raise next((each for each in failed if isinstance(each, TemporaryError)), failed[0])
    if theirs:
        raise SupersededError(". ".join(dict.fromkeys(map(str, theirs))))
