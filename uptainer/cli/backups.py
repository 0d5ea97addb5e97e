"""`uptainer backups`, `backup` and `restore`."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uptainer.cli import completion
from uptainer.cli.asking import Yes, confirm
from uptainer.cli.groups import examples
from uptainer.cli.output import AsJson
from uptainer.cli.saying import say
from uptainer.core.enums import Consistency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uptainer.store.models import ContainerBackup

MaybeAddress = Annotated[
    str | None,
    typer.Argument(metavar="HOST/NAME", help="Only this container's.", autocompletion=completion.containers),
]
Address = Annotated[
    str,
    typer.Argument(metavar="HOST/NAME", help="What is backed up.", autocompletion=completion.containers),
]
BackupId = Annotated[
    int, typer.Argument(metavar="BACKUP_ID", min=1, help="Its number, as `uptainer backups` lists it.")
]
MaybeBackup = Annotated[
    int | None,
    typer.Argument(
        metavar="BACKUP_ID", min=1, help="Only this one; else the newest that were not tried lately."
    ),
]
As = Annotated[
    str,
    typer.Option(
        "--as",
        metavar="NAME",
        help="Make a container of this name beside it, with volumes of its own, and leave it alone.",
    ),
]
Start = Annotated[bool, typer.Option("--start", help="With --as: start it.")]
Ports = Annotated[bool, typer.Option("--ports", help="With --as: let it publish the same ports.")]
StartTrial = Annotated[
    bool,
    typer.Option(
        "--start", help="Start what was restored too, without a network, and wait until it is healthy."
    ),
]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Kept with the backup.")]
ConsistencyOption = Annotated[
    Consistency | None,
    typer.Option(
        "--consistency",
        "-c",
        help="Stop or pause it meanwhile, or let it run (live); else as its policy says. What it writes while it runs may "
        "be half in the backup.",
    ),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="So many, the newest first.")]


@dataclass(frozen=True, slots=True)
class BackupLine:
    """`size` in bytes, of the archives as they lie in the store; `verified_at` is when they were read back.

    `tested_at` is when a restore of it was last tried, `test` is passed, failed or unknown, and `test_said` why. `left_out` is what
    of the volumes it does not hold.
    """

    id: int
    workload: str
    status: str
    reason: str
    image: str
    volumes: int
    size: int
    created_at: datetime
    verified_at: datetime | None
    update_id: int | None
    store: str
    location: str
    why: str
    tested_at: datetime | None
    test: str
    test_said: str
    left_out: str


def register(app: typer.Typer) -> None:
    app.command(epilog=examples("uptainer backups", "uptainer backups nas/web --json"))(backups)
    app.command(
        epilog=examples(
            'uptainer backup nas/db --reason "before the move"', "uptainer backup nas/db --consistency pause"
        )
    )(backup)
    app.command(
        epilog=examples(
            "uptainer restore 12", "uptainer restore 12 --yes", "uptainer restore 12 --as db-copy --start"
        )
    )(restore)
    app.command(
        name="test-restore", epilog=examples("uptainer test-restore", "uptainer test-restore 12 --start")
    )(try_restore)


def backups(address: MaybeAddress = None, limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the backups, the newest first."""
    from uptainer.cli.rows import print_rows  # noqa: PLC0415 -- help and completion need none of it

    lines = [_line(row, workload) for row, workload in _read(address, limit)]
    columns = (
        "id",
        "workload",
        "status",
        "reason",
        "volumes",
        "size",
        "created_at",
        "tested_at",
        "test",
        "why",
    )
    print_rows(lines, columns, as_json=as_json, nothing="There is no backup yet.")


def backup(address: Address, reason: Reason = "on request", consistency: ConsistencyOption = None) -> None:
    """Keep a container's configuration and the data in its volumes now, verified by checksum."""
    from uptainer.cli.connection import caller, database  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.store.repositories.containers import ContainerRepository  # noqa: PLC0415 -- as above

    with database() as opened, opened.session() as session:
        exact = ContainerRepository(session).by_address(address).address
    given = {"workload": exact, "by": caller().name, "reason": reason, "consistency": consistency}
    _run("back-up", given, f"backing up {exact}")


def restore(
    backup_id: BackupId, yes: Yes = False, name: As = "", start: Start = False, ports: Ports = False
) -> None:
    """Put back what a backup holds; what is there now is kept first. Or make another container of it, with --as."""
    if (start or ports) and not name:
        raise typer.BadParameter("--start and --ports are for a restore under another name: say --as NAME")
    from uptainer.cli.connection import caller, database  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.fleet.restoring import view_of  # noqa: PLC0415 -- as above
    from uptainer.store.repositories.backups import BackupRepository  # noqa: PLC0415 -- as above

    with database() as opened, opened.session() as session:
        row = BackupRepository(session).by_id(backup_id)
        workload = view_of(session, row).address
    given = {"backup_id": backup_id, "by": caller().name}
    if name:
        given |= {"name": name, "start": start, "ports": ports}
        _run("restore", given, f"restoring {workload} as {name}")
        return
    confirm(f"Put {workload} back as it was on {row.created_at:%Y-%m-%d %H:%M} UTC?", yes=yes)
    _run("restore", given, f"restoring {workload}")


def try_restore(backup_id: MaybeBackup = None, start: StartTrial = False) -> None:
    """Prove that a backup is good, or the newest ones: restore it aside, compare every file, clear it away."""
    from uptainer.cli.connection import caller  # noqa: PLC0415 -- help and completion need none of it

    given = {"backup_id": backup_id, "start": start, "by": caller().name}
    _run("test-restore", given, f"trying backup {backup_id}" if backup_id else "trying the newest backups")


def _run(flow: str, given: dict[str, Any], doing: str) -> None:
    from uptainer.cli.connection import use_server  # noqa: PLC0415 -- help and completion need none of it

    use_server()
    from uptainer.cli.prefect import requests  # noqa: PLC0415 -- it reads the environment that was just set

    say(requests.wait(requests.start(flow, given), doing))


def _read(address: str | None, limit: int) -> "Sequence[tuple[ContainerBackup, str]]":
    from uptainer.cli.connection import database  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.store.repositories.backups import BackupRepository  # noqa: PLC0415 -- as above
    from uptainer.store.repositories.containers import ContainerRepository  # noqa: PLC0415 -- as above

    with database() as opened, opened.session() as session:
        containers = ContainerRepository(session)
        view = containers.by_address(address, with_vanished=True) if address else None
        return BackupRepository(session).listing(
            container_id=view.container.id if view else None, limit=limit
        )


def _line(row: "ContainerBackup", workload: str) -> BackupLine:
    return BackupLine(
        id=row.id,
        workload=workload,
        status=str(row.status),
        reason=row.reason,
        image=row.image_reference,
        volumes=len(row.archives),
        size=row.size,
        created_at=row.created_at,
        verified_at=row.verified_at,
        update_id=row.update_id,
        store=row.store,
        location=row.location,
        why=row.error or ("" if row.test_passed else row.test_said or ""),
        tested_at=row.tested_at,
        test={None: "unknown", True: "passed", False: "failed"}[row.test_passed] if row.tested_at else "",
        test_said=row.test_said or "",
        left_out="; ".join(sorted({each["left_out"] for each in row.archives if each.get("left_out")})),
    )
