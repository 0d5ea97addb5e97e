"""With which logins the clusters of the fleet pull their own images: asked of them, held in memory, written nowhere."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from uptainer.core.errors import InvalidInputError, UptainerError
from uptainer.core.reference import Reference
from uptainer.core.workloads import ContainerFacts
from uptainer.fleet.updating import Opens
from uptainer.fleet.views import facts_of
from uptainer.images.credentials import Credential, Keychain
from uptainer.images.pull_secrets import choose_login
from uptainer.runtimes.port import HoldsLogins, PullLogins
from uptainer.store.database import Database
from uptainer.store.repositories.containers import ContainerRepository


class OfContainer(Protocol):
    """Something that is asked of a registry for one container."""

    @property
    def container_id(self) -> int: ...


Asked = TypeVar("Asked", bound=OfContainer)


@dataclass(frozen=True, slots=True)
class WorkloadLogins:
    """By container: its login for its own image's registry, and what could not be read of its secrets."""

    credentials: Mapping[int, Credential] = field(default_factory=dict)
    faults: Mapping[int, str] = field(default_factory=dict)

    def by_keychain(
        self, registry: str, asked: Iterable[Asked], keychain: Keychain
    ) -> Sequence[tuple[Sequence[Asked], Keychain]]:
        """What is asked with the same logins. Who has no login of its own is asked for with those that we were given."""
        groups: defaultdict[Credential | None, list[Asked]] = defaultdict(list)
        for each in asked:
            groups[self.credentials.get(each.container_id)].append(each)
        return [
            (given, keychain if own is None else keychain.preferring(registry, own))
            for own, given in groups.items()
        ]


NO_LOGINS = WorkloadLogins()


def read_pull_logins(database: Database, containers: Iterable[int], opens: Opens) -> WorkloadLogins:
    """Ask each cluster once, for those of its containers that have pull secrets; a host of another kind has none.

    A cluster that does not answer, or a right that is missing, is a fault of its containers, and raises nothing.
    """
    credentials: dict[int, Credential] = {}
    faults: dict[int, str] = {}
    for host, held in _holders(database, containers).items():
        found = _ask(host, list(held.values()), opens)
        for number, facts in held.items():
            logins = found[facts.key]
            said = list(logins.faults)
            try:
                login = choose_login(logins.auths, Reference.parse(facts.image_reference))
            except InvalidInputError as error:
                login = None
                said.append(str(error))
            if login is not None:
                credentials[number] = login
            if said:
                faults[number] = "; ".join(said)
    return WorkloadLogins(credentials, faults)


def _holders(database: Database, containers: Iterable[int]) -> Mapping[str, dict[int, ContainerFacts]]:
    """By host and container, those of which discovery has noted that they may have pull secrets."""
    with database.session() as session:
        views = ContainerRepository(session).by_ids(list(containers))
    held: defaultdict[str, dict[int, ContainerFacts]] = defaultdict(dict)
    for view in views:
        details = view.container.details
        if details.get("pull_secrets") or details.get("service_account"):
            held[view.host.name][view.container.id] = facts_of(view)
    return held


def _ask(host: str, containers: Sequence[ContainerFacts], opens: Opens) -> Mapping[str, PullLogins]:
    none = {each.key: PullLogins() for each in containers}
    try:
        with opens(host) as runtime:
            return (
                {**none, **runtime.registry_logins(containers)} if isinstance(runtime, HoldsLogins) else none
            )
    except UptainerError as error:
        fault = f"its pull secrets could not be read: {error}"
        return {each.key: PullLogins(faults=(fault,)) for each in containers}
