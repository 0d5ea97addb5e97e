"""Logins that are asked for and hold for a while: each is asked for once, and anew shortly before it ends.

They are kept in the memory of a process, and nowhere else.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable
from weakref import WeakKeyDictionary

from uptainer.core.clock import utc_now
from uptainer.core.errors import PermanentError
from uptainer.images.credential import Credential

EARLY = timedelta(minutes=5)
"""A login is not used in the last minutes of its life: a pull that begins with it has to end with it."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What a provider gave, at `asked_at`."""

    credential: Credential
    asked_at: datetime
    expires_at: datetime

    def holds_at(self, now: datetime) -> bool:
        """One that lives for minutes only is used for the first half of them."""
        early = min(EARLY, (self.expires_at - self.asked_at) / 2)
        return now < self.expires_at - early


@runtime_checkable
class Login(Protocol):
    """A provider's own way to a login for one registry. A value: who is equal shares what was given."""

    def __hash__(self) -> int: ...

    async def issue(self) -> Issued:
        """Ask the provider.

        Raises:
            AccessDeniedError: it does not give one to who we are, or it is not known who we are.
            TemporaryError: it did not answer, or not now.
            UnsupportedError: the library that asks it is not installed.
        """
        ...


_Asking = dict[Login, asyncio.Future[Credential]]


@dataclass(slots=True)
class IssuedLogins:
    """Shared by all keychains of a process, from whatever thread."""

    clock: Callable[[], datetime] = utc_now
    _held: dict[Login, Issued] = field(default_factory=dict, repr=False)
    _asking: WeakKeyDictionary[asyncio.AbstractEventLoop, _Asking] = field(
        default_factory=WeakKeyDictionary, repr=False
    )

    async def find(self, login: Login) -> Credential:
        """The credential that holds now. A provider that refuses is not asked again in this run.

        Raises:
            UptainerError: what `Login.issue` raises.
        """
        held = self._held.get(login)
        if held is not None and held.holds_at(self.clock()):
            return held.credential
        asking = self._asking.setdefault(asyncio.get_running_loop(), {})
        asked = asking.get(login)
        if asked is None or (asked.done() and not _is_refusal(asked)):
            asked = asking[login] = asyncio.ensure_future(self._ask(login))
        return await asyncio.shield(asked)

    async def _ask(self, login: Login) -> Credential:
        issued = await login.issue()
        self._held[login] = issued
        return issued.credential


def _is_refusal(asked: asyncio.Future[Credential]) -> bool:
    return not asked.cancelled() and isinstance(asked.exception(), PermanentError)
