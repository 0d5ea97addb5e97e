import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from uptainer.core.errors import AccessDeniedError, TemporaryError, UptainerError
from uptainer.images.credential import Credential
from uptainer.images.credentials import Keychain
from uptainer.images.issuing import Issued, IssuedLogins

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@dataclass(eq=False)
class Provider:
    """Gives a new password each time, that holds for `life`; or fails."""

    life: timedelta = timedelta(hours=1)
    now: datetime = NOW
    fault: UptainerError | None = None
    asked: list[datetime] = field(default_factory=list)

    async def issue(self) -> Issued:
        self.asked.append(self.now)
        await asyncio.sleep(0)
        if self.fault:
            raise self.fault
        return Issued(Credential("AWS", f"hunter{len(self.asked)}"), self.now, self.now + self.life)


@pytest.mark.parametrize(
    ("life", "later", "times"),
    [
        (timedelta(hours=1), timedelta(0), 1),
        (timedelta(hours=1), timedelta(minutes=54), 1),
        (timedelta(hours=1), timedelta(minutes=55), 2),
        (timedelta(hours=1), timedelta(hours=2), 2),
        (timedelta(minutes=4), timedelta(seconds=119), 1),
        (timedelta(minutes=4), timedelta(seconds=120), 2),
        (timedelta(0), timedelta(0), 2),
    ],
)
async def test_a_login_is_asked_for_anew_shortly_before_it_ends(
    life: timedelta, later: timedelta, times: int
) -> None:
    provider = Provider(life)
    logins = IssuedLogins(clock=lambda: provider.now)
    await logins.find(provider)
    provider.now = NOW + later

    assert (await logins.find(provider)).password == f"hunter{times}"
    assert len(provider.asked) == times


async def test_all_who_want_it_at_once_ask_once() -> None:
    provider = Provider()
    logins = IssuedLogins(clock=lambda: NOW)

    found = await asyncio.gather(*(logins.find(provider) for _ in range(9)))

    assert {each.password for each in found} == {"hunter1"}


def test_it_outlives_the_run_that_asked_for_it() -> None:
    provider = Provider()
    logins = IssuedLogins(clock=lambda: NOW)
    for _ in range(2):
        keychain = Keychain({"r.example": provider}, issued=logins)
        assert asyncio.run(keychain.find("r.example")) == Credential("AWS", "hunter1")


@pytest.mark.parametrize(("fault", "times"), [(AccessDeniedError("no"), 1), (TemporaryError("later"), 2)])
async def test_a_provider_that_refuses_is_asked_once_in_a_run_and_one_that_is_away_again(
    fault: UptainerError, times: int
) -> None:
    provider = Provider(fault=fault)
    keychain = Keychain({"r.example": provider})
    for _ in range(2):
        with pytest.raises(type(fault)):
            await keychain.find("r.example")

    assert len(provider.asked) == times


async def test_a_clusters_own_login_comes_before_the_providers() -> None:
    provider = Provider()
    keychain = Keychain({"r.example": provider}).preferring("r.example", Credential("own", "p"))

    assert await keychain.find("r.example") == Credential("own", "p")
    assert provider.asked == []


@pytest.mark.parametrize(
    ("credential", "auth"),
    [
        (Credential("u", "p"), {"username": "u", "password": "p"}),
        (Credential("u", identity_token="i"), {"identitytoken": "i"}),
        (Credential("u", "p", "i", "r"), {"registrytoken": "r"}),
    ],
)
def test_an_engine_is_given_the_narrowest_of_what_there_is(
    credential: Credential, auth: dict[str, str]
) -> None:
    assert credential.engine_auth == auth
