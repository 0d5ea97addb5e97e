"""Which of the repositories that something was pushed to are run here."""

from collections.abc import Sequence

from uptainer.store.database import Database
from uptainer.store.repositories.containers import ContainerRepository


def running(database: Database, repositories: Sequence[str]) -> frozenset[str]:
    """Those that a container on some host runs, as `docker.io/library/nginx`, in one query."""
    with database.session() as session:
        return ContainerRepository(session).running_any(repositories)
