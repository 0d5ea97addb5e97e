"""Write what each runtime can and can't do into the docs, from the tables that the program itself goes by.

`--check` writes nothing, and fails where a page says something else.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from uptainer.core.enums import RuntimeType
from uptainer.runtimes.capabilities import Capability
from uptainer.runtimes.tables import TABLES

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- capabilities: `make docs` writes this -->", "<!-- end of capabilities -->"
KINDS = {
    "container": "container",
    "pod": "pod",
    "service": "Swarm service",
    "global_service": "global Swarm service",
    "service_job": "Swarm job",
    "service_task": "a Swarm service's task",
    "deployment": "Deployment",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "cronjob": "CronJob",
}
NAMES = {RuntimeType.DOCKER: "Docker", RuntimeType.PODMAN: "Podman", RuntimeType.KUBERNETES: "Kubernetes"}
OVERVIEW = {
    "update, roll back": (Capability.UPDATE, Capability.ROLL_BACK),
    "start, stop": (Capability.START, Capability.STOP),
    "restart": (Capability.RESTART,),
    "pause": (Capability.PAUSE,),
    "exec": (Capability.EXEC,),
    "logs": (Capability.LOGS,),
    "volumes backed up": (Capability.BACK_UP_VOLUMES, Capability.RESTORE_VOLUMES),
}
WORDS = {
    Capability.BACK_UP_CONFIGURATION: "keep its configuration",
    Capability.BACK_UP_VOLUMES: "back up its volumes",
    Capability.RESTORE_VOLUMES: "restore its volumes",
    Capability.RECREATE: "create it again from a backup",
    Capability.COPY: "restore it under another name",
    Capability.KEEP_OLD: "keep the old one beside the new one",
    Capability.ROLL_BACK: "roll back",
    Capability.EXEC: "run a command in it",
}


def overview() -> Iterator[str]:
    yield f"| | {' | '.join(OVERVIEW)} |"
    yield f"| --- |{' :-: |' * len(OVERVIEW)}"
    for runtime, table in TABLES.items():
        for kind, refused in table.items():
            cells = ["yes" if not set(wanted) & set(refused) else "-" for wanted in OVERVIEW.values()]
            yield f"| {NAMES[runtime]}: {KINDS[kind]} | {' | '.join(cells)} |"


def reasons() -> Iterator[str]:
    for runtime, table in TABLES.items():
        yield f"### {NAMES[runtime]}"
        yield ""
        for kind, refused in table.items():
            by_reason: dict[str, list[str]] = {}
            for capability in refused:
                words = WORDS.get(capability, capability.value.replace("_", " "))
                by_reason.setdefault(refused[capability], []).append(words)
            yield f"**{KINDS[kind]}**: {'all of it.' if not refused else 'all but this:'}"
            yield ""
            for reason, verbs in by_reason.items():
                yield f"- {', '.join(verbs)}: {reason}."
            if by_reason:
                yield ""


def pages() -> Iterator[tuple[Path, list[str]]]:
    yield ROOT / "README.md", [*overview()]
    yield ROOT / "docs/runtimes.md", [*overview(), "", *reasons()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where a page differs")
    only_check = parser.parse_args().check
    stale = [page for page, lines in pages() if not _write(page, lines, only_check=only_check)]
    for page in stale:
        print(
            f"{page.relative_to(ROOT)} says something else than the capability tables: make docs",
            file=sys.stderr,
        )
    return 1 if stale else 0


def _write(page: Path, lines: list[str], *, only_check: bool) -> bool:
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    written = f"{before}{BEGIN}\n\n" + "\n".join(lines).strip() + f"\n\n{END}{after}"
    if not only_check:
        page.write_text(written)
        return True
    return text == written


if __name__ == "__main__":
    sys.exit(main())
