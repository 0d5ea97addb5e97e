"""What every contract test stands on: one workload that runs and is well, reached through the port."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from tests.lab.replacing import request_for
from tests.lab.room import wait_until
from tests.lab.stands.releases import Behaviour, Release
from tests.lab.stands.stand import NAME, Stand, assert_exactly, has_exactly
from uptainer.core.enums import ContainerStatus
from uptainer.core.workloads import ContainerFacts
from uptainer.runtimes.capabilities import Capabilities
from uptainer.runtimes.port import Json, Phase, ReplacementPlan, ReplacementRequest, Runtime


class Ground:
    """`release` runs under `key`. A test may leave it otherwise: `settle` makes it right again for the next one."""

    def __init__(self, stand: Stand, runtime: Runtime) -> None:
        self.stand = stand
        self.runtime = runtime
        self.key = ""
        self.release: Release

    def settle(self) -> None:
        if self.key and has_exactly(self.stand, self.key, self.release):
            return
        self.stand.clear()
        self.release = self.stand.push(Behaviour.HEALTHY)
        self.key = self.stand.deploy(NAME, self.release)
        self.await_right()

    def await_right(self) -> None:
        """By the engine's word and by ours, with its data written."""
        assert_exactly(self.stand, self.key, self.release)
        wait_until(
            lambda: self.runtime.state(self.key).status is ContainerStatus.RUNNING,
            what=f"{self.key} did not run by the port's account",
        )
        if self.stand.traits.keeps_data:
            wait_until(
                lambda: self.release.version in self.stand.data(self.key),
                what=f"{self.release} did not write its data",
            )

    def capabilities(self) -> Capabilities:
        return self.runtime.capabilities(self.stand.kind)

    def facts(self) -> ContainerFacts:
        return next(each for each in self.runtime.containers() if each.key == self.key)

    def replacement(self, behaviour: Behaviour = Behaviour.HEALTHY, **options: Any) -> "Replacement":
        return Replacement(self, self.stand.push(behaviour), **options)


class Replacement:
    """One that is planned, and done and undone step by step, as the journal would."""

    def __init__(self, ground: Ground, release: Release, **options: Any) -> None:
        self.release = release
        self._runtime = ground.runtime
        self.request: ReplacementRequest = request_for(
            ground.key, release.reference, release.digest, stop_timeout=timedelta(seconds=2), **options
        )
        self.plan: ReplacementPlan = self._runtime.plan_replacement(self.request)
        self.results: dict[str, Json] = {}

    @property
    def steps(self) -> Sequence[str]:
        return [step.name for step in self.plan.steps]

    @property
    def undoable(self) -> Sequence[str]:
        return [step.name for step in self.plan.steps if step.phase is not Phase.FINISH]

    def perform(self, step: str) -> Json:
        result = self._runtime.perform(step, self.request, self.plan.document, dict(self.results))
        self.results[step] = result
        return result

    def revert(self, step: str) -> None:
        self._runtime.revert(step, self.request, self.plan.document, dict(self.results))
