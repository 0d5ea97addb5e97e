"""Every error that Uptainer raises, on one page.

    UptainerError
    ├── PermanentError          trying again changes nothing
    │   ├── InvalidInputError   a reference, a pattern, a policy, a parameter is wrong
    │   ├── NotFoundError       the registry, engine or table has no such thing
    │   ├── AccessDeniedError   credentials are missing, wrong, or do not allow this
    │   ├── RefusedError        it could be done, and must not be: the message says which rule says so
    │   │   └── SupersededError it is not what was planned for any more: somebody else was there meanwhile
    │   ├── DamagedError        a backup is gone, is not what was written, or does not come back as it was
    │   ├── ProtocolError       the other side's answer is malformed, too large, or contradicts itself
    │   ├── UnsupportedError    this runtime, engine or machine has no such operation
    │   └── UnfinishedError     it was left in the middle, and recovery goes on with it
    └── TemporaryError          may work later; `retry_after` says when, where that is known
        ├── UnreachableError    the host, registry or database did not answer
        ├── RateLimitedError    it answered "not now", or would
        │   └── QuotaSpentError its quota for this kind of question is used up, and for others it is not
        └── BusyError           somebody else holds the lock

A task is retried only for a `TemporaryError`. Every message says what happened to what, and what to do.
"""

from datetime import timedelta


class UptainerError(Exception):
    """The root: catching it catches what Uptainer raises on purpose, and nothing else."""


class PermanentError(UptainerError):
    pass


class InvalidInputError(PermanentError):
    pass


class NotFoundError(PermanentError):
    pass


class AccessDeniedError(PermanentError):
    pass


class RefusedError(PermanentError):
    pass


class SupersededError(RefusedError):
    pass


class DamagedError(PermanentError):
    pass


class ProtocolError(PermanentError):
    pass


class UnsupportedError(PermanentError):
    pass


class UnfinishedError(PermanentError):
    pass


class TemporaryError(UptainerError):
    """`retry_after` is how long the other side asked us to wait, or None where it did not say."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnreachableError(TemporaryError):
    pass


class RateLimitedError(TemporaryError):
    pass


class QuotaSpentError(RateLimitedError):
    pass


class BusyError(TemporaryError):
    pass
