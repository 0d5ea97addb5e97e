"""Containers that belong to a systemd or Quadlet unit: the unit makes and removes them, and is what is restarted.

Source: podman-systemd.unit(5), podman-auto-update(1), systemctl(1).
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from uptainer.core.enums import ConnectionType
from uptainer.core.errors import PermanentError, RefusedError, TemporaryError, UnsupportedError
from uptainer.runtimes.podman.client import Podman

LABEL = "PODMAN_SYSTEMD_UNIT"
_START_TIMEOUT = 300.0
"""A unit may pull or wait for others before it says that it has started; systemd's own default is 90 seconds."""

_STOPPED_WITH = ("RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf", "PropagatesStopTo")
"""Whom systemd stops together with a unit, and does not start together with it."""
_CHANGING = frozenset({"activating", "deactivating", "reloading"})
_STOPPED_ALREADY = frozenset({"inactive", "failed"})


def unit_of(labels: Mapping[str, str]) -> str | None:
    return labels.get(LABEL) or None


class Units:
    """The manager that owns this Podman's units: the system's, or that of the user whose Podman it is."""

    def __init__(self, podman: Podman) -> None:
        """Raises RefusedError where the manager can't be reached from here; the message says why."""
        self._podman = podman
        info = podman.get("/info", about="itself")
        self._words = ["systemctl", "--no-ask-password"]
        self._of_user = bool(info["host"]["security"]["rootless"])
        if self._of_user:
            _refuse_foreign_user(podman)
            self._words.append("--user")

    def refuse_unknown(self, unit: str, key: str) -> None:
        """Raises RefusedError unless the unit is loaded there, and whoever asks may restart it."""
        try:
            self._refuse_powerless(unit, key)
            ran = self._podman.run([*self._words, "show", "--property", "LoadState", "--value", "--", unit])
        except UnsupportedError as error:
            raise RefusedError(
                f"{key} belongs to the unit {unit}, which can't be restarted: {error}"
            ) from error
        state = ran.output.strip()
        if ran.exit_code != 0 or state != "loaded":
            said = ran.errors.strip() or f"systemd calls it {state or 'unknown'}"
            raise RefusedError(
                f"{key} belongs to the unit {unit}, and can be updated by way of it only: {said}. "
                "Start the unit, or remove its container"
            )

    def _refuse_powerless(self, unit: str, key: str) -> None:
        """Root's Podman lets a group in, and root's systemd does not."""
        if self._of_user:
            return
        ran = self._podman.run(["id", "-u"])
        if ran.output.strip() != "0":
            raise RefusedError(
                f"{key} belongs to the unit {unit}, and root's units can be restarted by root only: reach the host as "
                "root, or run Uptainer as root"
            )

    def is_changing(self, unit: str) -> bool:
        """A stop goes on after whoever asked for it is gone."""
        [shown] = self._show([unit], ("ActiveState", "Job"))
        return shown["ActiveState"] in _CHANGING or shown.get("Job", "0") not in ("", "0")

    def refuse_dependants(self, unit: str, key: str) -> None:
        """Raises RefusedError where other units run that stopping this one stops too: nothing starts them again."""
        if running := sorted(self._running_with(unit)):
            raise RefusedError(
                f"{key} can't be updated by way of {unit}: stopping that stops {', '.join(running)} too, and systemd "
                f"does not start it again. Let it have Wants={unit} in place of Requires=, BindsTo= or PartOf="
            )

    def _running_with(self, unit: str) -> set[str]:
        running: set[str] = set()
        known, asked = {unit}, {unit}
        while asked:
            shown = self._show(asked, ("Id", "ActiveState", *_STOPPED_WITH))
            running |= {each["Id"] for each in shown if each["ActiveState"] not in _STOPPED_ALREADY}
            asked = {name for each in shown for kind in _STOPPED_WITH for name in each.get(kind, "").split()}
            asked -= known
            known |= asked
        return running - {unit}

    def _show(self, units: Iterable[str], properties: Iterable[str]) -> list[dict[str, str]]:
        """One for each unit; an older systemd leaves out properties that it does not know."""
        words = ["show", "--property", ",".join(properties), "--", *sorted(units)]
        blocks = self._run(words).strip().split("\n\n")
        return [dict(line.split("=", 1) for line in block.splitlines()) for block in blocks]

    def start(self, unit: str) -> None:
        self._run(["start", "--", unit])

    def stop(self, unit: str) -> None:
        self._run(["stop", "--", unit])

    def _run(self, words: Sequence[str]) -> str:
        ran = self._podman.run([*self._words, *words], timeout=_START_TIMEOUT)
        if ran.exit_code != 0:
            said = ran.errors.strip().partition("\n")[0]
            fault = TemporaryError if "connect to bus" in said.lower() else PermanentError
            about = " ".join(word for word in words if word != "--")
            raise fault(f"systemctl {about}: {said or f'status {ran.exit_code}'}")
        return ran.output


def _refuse_foreign_user(podman: Podman) -> None:
    """`systemctl --user` speaks to the units of whoever calls it."""
    if podman.address.connection is not ConnectionType.UNIX:
        return
    owner = Path(urlsplit(podman.address.url).path).stat().st_uid
    if owner != os.geteuid():
        raise RefusedError(
            f"{podman.address.name} is the Podman of user {owner}, whose units only that user can restart: run "
            "Uptainer as that user, or reach the host as that user by ssh://"
        )
