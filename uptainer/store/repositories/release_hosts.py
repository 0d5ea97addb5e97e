"""What is remembered of the hosts with release notes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from uptainer.core.enums import Forge
from uptainer.store.models import ReleaseHostRow, ReleasePage


class ReleaseHostRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def host(self, name: str) -> ReleaseHostRow | None:
        return self._session.get(ReleaseHostRow, name)

    def recognised(self, name: str, forge: Forge | None, now: datetime) -> None:
        self._put(name, forge=forge, recognised_at=now)

    def paused(self, name: str, until: datetime) -> None:
        self._put(name, paused_until=until)

    def page(self, url: str) -> ReleasePage | None:
        return self._session.get(ReleasePage, url)

    def keep(
        self, url: str, etag: str, releases: Sequence[Sequence[str]], now: datetime, *, more: bool
    ) -> None:
        columns = {"etag": etag, "releases": [list(each) for each in releases], "more": more, "read_at": now}
        statement = insert(ReleasePage).values(url=url, **columns)
        self._session.execute(statement.on_conflict_do_update(index_elements=["url"], set_=columns))

    def _put(self, name: str, **columns: Any) -> None:
        statement = insert(ReleaseHostRow).values(host=name, **columns)
        self._session.execute(statement.on_conflict_do_update(index_elements=["host"], set_=columns))
