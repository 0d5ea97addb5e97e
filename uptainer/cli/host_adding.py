"""What `uptainer host add` and `uptainer host test` do: from what was typed to a host that was asked."""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from uptainer.cli import connection
from uptainer.cli.saying import say
from uptainer.core.enums import ConnectionType, RuntimeType
from uptainer.core.errors import InvalidInputError
from uptainer.core.workloads import ContainerFacts, HostAddress
from uptainer.runtimes.addresses import DEFAULT_TIMEOUT, kubeconfig_url, parse_address, ssh_target
from uptainer.runtimes.connections import identify
from uptainer.runtimes.machine import TITLES
from uptainer.store.models import ContainerHost
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.identities import refuse_other

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def add(
    name: str,
    url: str | None,
    *,
    runtime: RuntimeType | None = None,
    block: str | None = None,
    context: str | None = None,
    namespaces: Sequence[str] = (),
    excluded_namespaces: Sequence[str] = (),
    timeout: float | None = None,
    server: str | None = None,
    test: bool = True,
) -> None:
    address = _address(_checked(name), url, runtime, block, context)
    address = _told(address, timeout, namespaces, excluded_namespaces)
    if test:
        address = _identified(address, asked=runtime)
    said = describe(address) if test else "it was not tried"
    with connection.database() as database, database.session() as session:
        hosts = HostRepository(session)
        hosts.add(address, server, actor=connection.caller())
        hosts.accept_engine(name, connection.caller())
    say(f"Added host {name}: {said}.")
    say(f"What runs on it is read within 5 minutes, or now: uptainer host sync {name}")


def describe(address: HostAddress, known: ContainerHost | None = None) -> str:
    """What answers there, and how it was reached, in a sentence's end.

    Raises what `connect` does, and RefusedError where it is not the engine that the host is `known` for.
    """
    with closing(connection.connect(address)) as runtime:
        engine, containers, missing = runtime.engine(), runtime.containers(), runtime.missing_rights()
    if known is not None:
        refuse_other(known, engine)
    return (
        f"{TITLES[address.runtime]} {engine.version} (API {engine.api_version}, {engine.platform}) answers at "
        f"{address.url}, {_by(address)}, with {_counted(containers)}{_forbidden(missing)}"
    )


def _address(
    name: str, url: str | None, runtime: RuntimeType | None, block: str | None, context: str | None
) -> HostAddress:
    if url is not None:
        return _from_url(name, url, runtime, block, context)
    if block is not None:
        found = _from_block(block, name, runtime)
        return replace(found, url=kubeconfig_url(context=context)) if context else found
    if context is not None:
        return parse_address(name, kubeconfig_url(_kubeconfig(), context), runtime=runtime)
    raise InvalidInputError(
        "say where it is: by URL (unix:///path/to.sock, tcp://host:port, ssh://user@host, https://host:port), by "
        "--block, or by --context for a cluster of your kubeconfig"
    )


def _from_url(
    name: str, url: str, runtime: RuntimeType | None, block: str | None, context: str | None
) -> HostAddress:
    """A block that goes with it holds the secret, and says by its kind what is there."""
    if context is not None and not url.startswith("kubeconfig:"):
        raise InvalidInputError("only a kubeconfig has contexts: --context goes with kubeconfig:///path")
    if context is not None:
        url = kubeconfig_url(urlsplit(url).path, context)
    if block is not None:
        runtime = _from_block(block, name, runtime).runtime
    return parse_address(name, url, runtime=runtime, block=block)


def _from_block(block: str, name: str, runtime: RuntimeType | None) -> HostAddress:
    connection.use_server()
    from uptainer.cli.prefect.host_blocks import host_from  # noqa: PLC0415 -- it reads the environment that was just set

    return host_from(block, name, runtime)


def _kubeconfig() -> str:
    named = [each for each in os.environ.get("KUBECONFIG", "").split(os.pathsep) if each]
    return str(Path(named[0]).absolute()) if named else str(Path.home() / ".kube/config")


def _told(
    address: HostAddress, timeout: float | None, namespaces: Sequence[str], excluded: Sequence[str]
) -> HostAddress:
    """What is said on the command line wins over what a block says."""
    return parse_address(
        address.name,
        address.url,
        runtime=address.runtime,
        block=address.block,
        timeout=timeout or address.timeout or DEFAULT_TIMEOUT,
        namespaces=namespaces or address.namespaces,
        excluded_namespaces=excluded or address.excluded_namespaces,
    )


def _identified(address: HostAddress, *, asked: RuntimeType | None) -> HostAddress:
    """Podman speaks Docker's API too: what is really there decides, unless something else was asked for."""
    found = identify(address, connection.secret(address))
    expected = asked or (address.runtime if address.block else found.runtime)
    if found.runtime is not expected:
        raise InvalidInputError(
            f"{TITLES[found.runtime]} answers at {address.url}, and not {TITLES[expected]}: say --runtime "
            f"{found.runtime.value}, and use a {TITLES[found.runtime]} host block"
        )
    return found


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"{name!r} is not a host's name: letters, digits, and `.`, `_`, `-` between them"
        )
    return name


def _by(address: HostAddress) -> str:
    match address.connection:
        case ConnectionType.UNIX:
            return "by its socket"
        case ConnectionType.TCP:
            secured = address.block or "?" in address.url
            return "by TCP with TLS" if secured else "by TCP on this machine"
        case ConnectionType.SSH:
            user = ssh_target(address).user
            return f"by SSH as {user}" if user else "by SSH"
        case ConnectionType.KUBECONFIG:
            context = parse_qs(urlsplit(address.url).query).get("context")
            return f"by the kubeconfig's context {context[0]}" if context else "by the kubeconfig"
        case ConnectionType.IN_CLUSTER:
            return "by the pod's own service account"
        case ConnectionType.TOKEN:
            return "by a token"


def _forbidden(missing: Mapping[str, Sequence[str]]) -> str:
    return "".join(
        f"; it may not {purpose}, which needs {', '.join(rights)}" for purpose, rights in missing.items()
    )


def _counted(containers: Sequence[ContainerFacts]) -> str:
    running = sum(each.status == "running" for each in containers)
    return f"{len(containers)} containers, {running} of them running"
