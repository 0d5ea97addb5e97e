"""What a registry tells of: an image was pushed."""

from dataclasses import dataclass

from uptainer.core.reference import Reference

EVENT = "uptainer.registry.pushed"
"""The name of the event on Prefect's side."""


@dataclass(frozen=True, slots=True)
class Push:
    """`source` is the name that its notification came in under."""

    source: str
    reference: Reference

    @property
    def repository(self) -> str:
        """What containers are found by, as `docker.io/library/nginx`."""
        return self.reference.name
