"""What a workload's images are pulled with: the registry logins in the pull secrets that its pods are given.

Source: https://kubernetes.io/docs/concepts/containers/images/#specifying-imagepullsecrets-on-a-pod
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from uptainer.core.errors import AccessDeniedError, NotFoundError
from uptainer.core.workloads import ContainerFacts
from uptainer.runtimes.kubernetes.client import Cluster
from uptainer.runtimes.kubernetes.resources import SECRETS, SERVICE_ACCOUNTS
from uptainer.runtimes.port import PullLogins

Json = Mapping[str, Any]

_FORMS = {".dockerconfigjson": "auths", ".dockercfg": ""}
"""The two forms of such a secret: where the logins are in each."""


class _Reader:
    """Reads each secret and each service account once, by its name: the right to list secrets is never needed."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._secrets: dict[tuple[str, str], PullLogins] = {}
        self._accounts: dict[tuple[str, str], tuple[Sequence[str], str]] = {}

    def of_container(self, facts: ContainerFacts) -> PullLogins:
        namespace = facts.project or ""
        names, fault = list(facts.details.get("pull_secrets") or ()), ""
        if account := facts.details.get("service_account"):
            added, fault = self._account(namespace, account)
            names += added
        found = [self._secret(namespace, name) for name in names]
        auths = {registry: entry for each in reversed(found) for registry, entry in each.auths.items()}
        return PullLogins(
            auths, tuple(filter(None, (fault, *(fault for each in found for fault in each.faults))))
        )

    def _account(self, namespace: str, name: str) -> tuple[Sequence[str], str]:
        key = namespace, name
        if key not in self._accounts:
            try:
                account = self._cluster.get(SERVICE_ACCOUNTS.path(namespace, name))
            except (AccessDeniedError, NotFoundError) as fault:
                self._accounts[key] = (), f"the pull secrets of its service account are not known: {fault}"
            else:
                self._accounts[key] = [each["name"] for each in account.get("imagePullSecrets") or ()], ""
        return self._accounts[key]

    def _secret(self, namespace: str, name: str) -> PullLogins:
        key = namespace, name
        if key not in self._secrets:
            try:
                secret = self._cluster.get(SECRETS.path(namespace, name))
            except (AccessDeniedError, NotFoundError) as fault:
                self._secrets[key] = PullLogins({}, (f"its pull secret {name} can't be read: {fault}",))
            else:
                self._secrets[key] = _read(name, secret)
        return self._secrets[key]


def read_logins(cluster: Cluster, containers: Sequence[ContainerFacts]) -> dict[str, PullLogins]:
    """By key, for those that discovery found pull secrets for; what may not be read is said, and no reason to fail.

    Raises:
        UnreachableError: the cluster did not answer.
    """
    reader = _Reader(cluster)
    return {each.key: reader.of_container(each) for each in containers}


def _read(name: str, secret: Json) -> PullLogins:
    data = secret.get("data") or {}
    for form, place in _FORMS.items():
        if form in data:
            try:
                content = json.loads(base64.b64decode(data[form], validate=True))
                entries = dict(_entries(content[place] if place else content))
            except (binascii.Error, ValueError, KeyError, TypeError, AttributeError):
                return PullLogins({}, (f"its pull secret {name} does not hold what Docker writes",))
            return PullLogins(entries)
    return PullLogins({}, (f"its pull secret {name} is of type {secret.get('type')}, and holds no logins",))


def _entries(auths: Json) -> Iterator[tuple[str, Json]]:
    for registry, entry in auths.items():
        if not isinstance(entry, dict):
            raise TypeError(registry)
        yield registry, entry
