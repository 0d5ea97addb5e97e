"""The blocks that hosts name."""

import asyncio

from blocks.hosts import load_host, load_secret
from uptainer.cli.prefect.requests import plain_errors
from uptainer.core.enums import RuntimeType
from uptainer.core.secrets import HostSecret
from uptainer.core.workloads import HostAddress


def host_from(block: str, name: str, runtime: RuntimeType | None) -> HostAddress:
    """The host `name` as this block says it is reached.

    Raises:
        NotFoundError, InvalidInputError: there is no such block, or it does not hold what it should.
    """
    with plain_errors():
        return asyncio.run(load_host(block, runtime)).address(name, block)


def host_secret(address: HostAddress) -> HostSecret | None:
    """Raises NotFoundError, InvalidInputError: see `load_secret`."""
    with plain_errors():
        return asyncio.run(load_secret(address))
