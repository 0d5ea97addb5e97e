"""Commands that are run in a workload around its backup: a dump before, and what ends it after."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from uptainer.core.errors import InvalidInputError, PermanentError
from uptainer.runtimes.port import Runtime

_LAST_WORDS = 500


class Hooks(BaseModel):
    """`before` runs while the workload runs, before its volumes are read; `after` at the end, whatever came of it.

    Each is a program and its arguments, and no shell reads it; none where it is empty. `timeout` is for each of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    timeout: timedelta = timedelta(minutes=10)

    def __bool__(self) -> bool:
        return bool(self.before or self.after)

    def run_before(self, runtime: Runtime, key: str) -> None:
        """Raises: PermanentError where it fails; TemporaryError where it does not end in time."""
        _run(runtime, key, self.before, self.timeout, "before")

    def run_after(self, runtime: Runtime, key: str) -> None:
        """Raises: as `run_before`."""
        _run(runtime, key, self.after, self.timeout, "after")

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Raises: InvalidInputError, when the document was not written by `as_json`."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise InvalidInputError(
                f"the hooks of a backup were written by another version: {error}"
            ) from error


def _run(runtime: Runtime, key: str, command: tuple[str, ...], timeout: timedelta, when: str) -> None:
    if not command:
        return
    ended = runtime.execute(key, command, timeout)
    if ended.exit_code != 0:
        said = ended.output.strip()[-_LAST_WORDS:]
        raise PermanentError(
            f"the command {when} the backup of {key}, {' '.join(command)!r}, ended with {ended.exit_code}: {said}"
        )
