"""What an inspected container says in the same words on Docker and on Podman. Pure."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from uptainer.core.enums import Health
from uptainer.core.workloads import Mount
from uptainer.runtimes.engine import names

Json = Mapping[str, Any]

_FRACTION = re.compile(r"\.(\d+)")
_NEVER = "0001-01-01T00:00:00"
_HEALTH_LOG_LIMIT = 4096


def key(container: Json) -> str:
    return str(container["Name"]).removeprefix("/")


def is_up(container: Json) -> bool:
    """It runs, or is paused in the middle of that."""
    return bool(container["State"].get("Running") or container["State"].get("Paused"))


def moment(text: str | None) -> datetime | None:
    """An engine's times have nanoseconds, and year one stands for "never"."""
    if not text or text.startswith(_NEVER):
        return None
    shortened = _FRACTION.sub(lambda found: "." + found.group(1)[:6].ljust(6, "0"), text, count=1)
    return datetime.fromisoformat(shortened)


def health(container: Json) -> Health:
    """UNKNOWN while it does not run: the engine then still shows what it last knew."""
    state = container["State"]
    if not is_check(container["Config"].get("Healthcheck")):
        return Health.NONE
    word = (state.get("Health") or {}).get("Status", "")
    return Health(word) if state.get("Running") and word in tuple(Health) else Health.UNKNOWN


def is_check(healthcheck: Json | None) -> bool:
    """Whether a health check checks anything: one may be there only to switch the image's off."""
    test = (healthcheck or {}).get("Test") or []
    return bool(test) and test[0] != "NONE"


def health_log(state: Json) -> str:
    """The end of what its last checks printed."""
    log = (state.get("Health") or {}).get("Log") or []
    return "\n".join(str(each.get("Output", "")).strip() for each in log)[-_HEALTH_LOG_LIMIT:]


def mounts(container: Json) -> Iterator[Mount]:
    for each in container.get("Mounts") or ():
        name = each.get("Name") or ""
        yield Mount(
            kind=each["Type"],
            name=name,
            source=each.get("Source") or "",
            destination=each["Destination"],
            read_only=not each.get("RW", True),
            anonymous=each["Type"] == "volume" and names.is_anonymous(name),
        )
