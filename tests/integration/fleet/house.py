"""The fleet's rounds on a real engine and registry, each called as its task calls it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from docker.models.containers import Container

from tests.lab.docker import DockerEngine
from tests.lab.images import SLEEP, make_image, push_image
from tests.lab.images import build_image as build
from tests.lab.registry import Registry
from tests.lab.replacing import address_of
from uptainer.backups.local import local_stores
from uptainer.core.clock import utc_now
from uptainer.core.enums import ApprovalChannel, ApprovalDecision, PolicyScope
from uptainer.core.settings import Settings
from uptainer.fleet.checking import CheckReport, check_registry, plan_check
from uptainer.fleet.deciding import DecisionReport, decide_fleet
from uptainer.fleet.discovery import HostReport, discover_host
from uptainer.fleet.gates import give_answer, open_gate
from uptainer.fleet.updating import backups_below, carry_out, opener
from uptainer.images.credentials import Keychain
from uptainer.runtimes.connections import connect
from uptainer.store.database import Database
from uptainer.store.models import AuditEntry
from uptainer.store.repositories.approvals import Answer
from uptainer.store.repositories.audit import Actor, AuditRepository
from uptainer.store.repositories.containers import ContainerRepository, ContainerView
from uptainer.store.repositories.hosts import HostRepository
from uptainer.store.repositories.policies import PolicyRepository
from uptainer.updates.run import Outcome

ANN = Actor("ann", authenticated=True)


class House:
    """`name` is a repository of this test's own."""

    def __init__(self, engine: DockerEngine, registry: Registry, database: Database, directory: Path) -> None:
        self.engine, self.registry, self.database = engine, registry, database
        self.settings = Settings(data_dir=directory)
        self.stores = local_stores(backups_below(self.settings))
        self.opens = opener(database, connect)
        self.name = f"app-{uuid4().hex[:8]}"
        with database.session() as session:
            HostRepository(session).add(address_of(engine))

    def image(self, tag: str, *, pull: bool = False, cmd: Sequence[str] = SLEEP, **options: Any) -> str:
        """In the registry, and on the engine where it is pulled; its digest."""
        reference = self.registry.reference(f"{self.name}:{tag}")
        return make_image(
            self.engine if pull else None, reference, cmd=cmd, labels={"of": self.name, "tag": tag}, **options
        )

    def push(self, tag: str, **options: Any) -> str:
        return push_image(self.registry.url, f"{self.name}:{tag}", build(**options))

    def unpublish(self, digest: str) -> None:
        httpx.delete(f"{self.registry.url}/v2/{self.name}/manifests/{digest}").raise_for_status()

    def run(self, tag: str = "1.0.0", key: str = "web", **options: Any) -> Container:
        """A container of a tag that is in the registry."""
        self.image(tag, pull=True)
        reference = self.registry.reference(f"{self.name}:{tag}")
        started: Container = self.engine.client.containers.run(reference, detach=True, name=key, **options)
        started.reload()
        return started

    def policy(self, **settings: Any) -> None:
        with self.database.session() as session:
            PolicyRepository(session).put_policy(
                PolicyScope.DEFAULT,
                "",
                {"soak": "0s", "unscanned": "allow", **settings},
                actor=ANN,
                now=utc_now(),
            )

    def discover(self) -> HostReport:
        return discover_host(self.database, address_of(self.engine), connect)

    def check(self) -> dict[str, CheckReport]:
        plan = plan_check(self.database)
        return {
            registry: check_registry(self.database, registry, questions, Keychain({}, None))
            for registry, questions in plan.registries.items()
        }

    def round(self) -> DecisionReport:
        self.discover()
        self.check()
        return decide_fleet(self.database, utc_now())

    def approve(self, update_id: int) -> None:
        now = utc_now()
        gate = open_gate(self.database, update_id, self.opens, self.stores, now)
        assert gate is not None
        given = Answer(ApprovalDecision.APPROVE, ApprovalChannel.COMMAND, ANN)
        assert give_answer(self.database, update_id, given, now, answered_account=gate.account_hash).taken

    def apply(self, update_id: int) -> Outcome:
        return carry_out(self.database, update_id, self.opens, self.settings, self.stores)

    def view(self, key: str = "web") -> ContainerView:
        with self.database.session() as session:
            return ContainerRepository(session).by_address(f"lab/{key}", with_vanished=True)

    def names(self) -> list[str]:
        return sorted(str(each.name) for each in self.engine.client.containers.list(all=True))

    def audit(self, subject: str = "workload/lab/web") -> list[AuditEntry]:
        """The oldest first."""
        with self.database.session() as session:
            return list(reversed(AuditRepository(session).listing(subject=subject)))

    def sh(self, script: str, key: str = "web") -> str:
        done = self.engine.client.containers.get(key).exec_run(["/bin/sh", "-c", script])
        assert done.exit_code == 0, done.output
        assert isinstance(done.output, bytes)
        return done.output.decode()
