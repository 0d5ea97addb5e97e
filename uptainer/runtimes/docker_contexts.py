"""Docker's contexts on this machine, read by Docker's own library, with the folder of their TLS files.

Source: https://docs.docker.com/engine/manage-resources/contexts/.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from uptainer.runtimes.addresses import TLS_FOLDER


@dataclass(frozen=True, slots=True)
class DockerContext:
    name: str
    url: str


def current_context(environment: Mapping[str, str]) -> DockerContext | None:
    """The one that DOCKER_CONTEXT or Docker's configuration names; None for the default one, and for none that is whole.

    Docker's files are looked for where this process's own environment says (DOCKER_CONFIG, else the home directory).
    """
    from docker.context import Context  # noqa: PLC0415 -- it takes a quarter of a second, and few need it
    from docker.context.config import get_current_context_name  # noqa: PLC0415 -- as above

    name = environment.get("DOCKER_CONTEXT") or get_current_context_name()
    if not name or name == "default":
        return None
    try:
        context = Context.load_context(name)
    except Exception:  # noqa: BLE001 -- it raises plain ones for a broken file, of which Docker's client complains
        return None
    if context is None or not context.Host:
        return None
    tls = context.TLSConfig
    url = str(context.Host)
    if tls is not None and tls.ca_cert and url.startswith("tcp://"):
        url += f"?{TLS_FOLDER}={Path(tls.ca_cert).parent}"
    return DockerContext(name, url)
