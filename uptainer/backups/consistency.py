"""Holding a workload still while its data is read, with what it asked to have run around that."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from uptainer.backups.hooks import Hooks
from uptainer.core.enums import ContainerStatus
from uptainer.core.errors import PermanentError, TemporaryError, UnfinishedError, UptainerError
from uptainer.runtimes.port import Runtime

_NO_HOOKS = Hooks()


@dataclass(frozen=True, slots=True)
class Hold:
    """`stops` or `pauses` it, or neither: then what it writes meanwhile may be half in the backup."""

    stops: bool = False
    pauses: bool = False
    hooks: Hooks = _NO_HOOKS

    @contextmanager
    def around(self, runtime: Runtime, key: str) -> Iterator[None]:
        """It runs again afterwards, and the last command is run, whatever came of it.

        Raises:
            PermanentError, TemporaryError: a command failed, or the engine's.
            UnfinishedError: it could not be let go; then the last command was not run either.
        """
        try:
            self._run_before(runtime, key)
            with self._still(runtime, key):
                yield
        except UnfinishedError:
            raise
        except BaseException:
            with suppress(UptainerError):  # the first fault is the one that counts
                self.hooks.run_after(runtime, key)
            raise
        self.hooks.run_after(runtime, key)

    def _run_before(self, runtime: Runtime, key: str) -> None:
        """One that did not end may still run: it is not begun a second time beside itself."""
        try:
            self.hooks.run_before(runtime, key)
        except TemporaryError as error:
            raise PermanentError(str(error)) from error

    @contextmanager
    def _still(self, runtime: Runtime, key: str) -> Iterator[None]:
        try:
            if self.stops:
                runtime.stop(key)
            if self.pauses:
                runtime.pause(key)
            yield
        finally:
            try:
                self._lift(runtime, key)
            except UptainerError as error:
                raise UnfinishedError(
                    f"{key} could not be let go on: {error}. `uptainer run recover` tries it again"
                ) from error

    def _lift(self, runtime: Runtime, key: str) -> None:
        if self.stops:
            runtime.start(key)
        if self.pauses and runtime.state(key).status is ContainerStatus.PAUSED:
            runtime.unpause(key)
