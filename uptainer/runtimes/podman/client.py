"""Podman's own HTTP API, libpod, over the same connections as Docker's.

Source: https://docs.podman.io/en/latest/_static/api.html.
"""

from uptainer.core.errors import UnsupportedError
from uptainer.runtimes.engine.client import Engine, version_tuple

OLDEST = (4, 0)


class Podman(Engine):
    """Paths are those behind `/libpod`; `api_version` is libpod's."""

    def _agree(self) -> tuple[str, str]:
        """Raises UnsupportedError where this is no Podman, or one that is too old."""
        for part in self.version.get("Components") or ():
            if part.get("Name") == "Podman Engine":
                return self._libpod(str(part["Details"]["APIVersion"]))
        raise UnsupportedError(f"{self.address.name} is no Podman: say --runtime docker for it")

    def _libpod(self, version: str) -> tuple[str, str]:
        if version_tuple(version) < OLDEST:
            raise UnsupportedError(
                f"{self.address.name} is Podman {version}; Uptainer needs 4.0 or later. Update Podman."
            )
        return version, f"/v{version}/libpod"
