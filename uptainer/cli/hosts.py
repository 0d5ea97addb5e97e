"""`uptainer host`: the engines and clusters of the fleet."""

from typing import Annotated

import typer

from uptainer.cli.completion import hosts
from uptainer.cli.groups import examples, group
from uptainer.cli.output import AsJson
from uptainer.core.enums import RuntimeType

Name = Annotated[str, typer.Argument(help="The host's name.", autocompletion=hosts)]
MaybeName = Annotated[
    str | None, typer.Argument(metavar="NAME", help="One host; all without it.", autocompletion=hosts)
]
NewName = Annotated[str, typer.Argument(help="What you call it, in all lists.")]
Url = Annotated[
    str | None,
    typer.Argument(
        metavar="URL",
        help="unix:///path/to.sock, ssh://user@host, with :port and /path/to.sock where needed, "
        "tcp://host:port, "
        "kubeconfig:///path, in-cluster:// or https://host:port.",
    ),
]
Runtime = Annotated[
    RuntimeType | None,
    typer.Option("--runtime", help="What is there; without it, what answers says so."),
]
Block = Annotated[
    str | None,
    typer.Option("--block", help="The block that holds its secret, and, without URL, its address."),
]
Context = Annotated[
    str | None,
    typer.Option("--context", help="Of a kubeconfig; without URL and block, of your own."),
]
Namespaces = Annotated[
    list[str] | None,
    typer.Option("--namespace", metavar="GLOB", help="Only these of a cluster's namespaces; several times."),
]
ExcludedNamespaces = Annotated[
    list[str] | None,
    typer.Option("--exclude-namespace", metavar="GLOB", help="Not these; several times."),
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", min=1, max=600, help="Seconds that it may take to answer (default: 30)."),
]
Server = Annotated[
    str | None,
    typer.Option("--server", help="The machine that it stands on, where several engines share one."),
]
Unasked = Annotated[
    bool, typer.Option("--no-test", help="Add it although nothing answers there at the moment.")
]
Why = Annotated[str, typer.Option("--reason", help="Why; it is shown with the host, and in the audit log.")]
MaybeWhy = Annotated[str, typer.Option("--reason", help="Why; it is in the audit log.")]
Force = Annotated[bool, typer.Option("--force", help="Also give up its updates that wait.")]


def register(app: typer.Typer) -> None:
    ours = group(
        app, "host", doc="The engines and clusters of the fleet: add, list, test, sync, switch off, remove."
    )
    ours.command(
        epilog=examples(
            "uptainer host add nas unix:///var/run/docker.sock",
            "uptainer host add pi ssh://admin@pi.example.org",
            "uptainer host add pod ssh://me@pod.example.org/run/user/1000/podman/podman.sock --runtime podman",
            "uptainer host add lab tcp://lab.example.org:2376 --block lab-certificates",
            "uptainer host add prod --context prod --namespace 'shop-*' --exclude-namespace '*-test'",
            "uptainer host add nas --block nas-docker",
        )
    )(add)
    ours.command("list", epilog=examples("uptainer host list --json"))(list_)
    ours.command(epilog=examples("uptainer host test nas"))(test)
    ours.command(epilog=examples("uptainer host sync", "uptainer host sync nas"))(sync)
    ours.command(epilog=examples("uptainer host disable nas --reason 'its disk is being replaced'"))(disable)
    ours.command(epilog=examples("uptainer host enable nas"))(enable)
    ours.command(epilog=examples("uptainer host remove nas --force"))(remove)


def add(  # noqa: PLR0917 -- typer's options, given by name
    name: NewName,
    url: Url = None,
    runtime: Runtime = None,
    block: Block = None,
    context: Context = None,
    namespace: Namespaces = None,
    exclude_namespace: ExcludedNamespaces = None,
    timeout: Timeout = None,
    server: Server = None,
    no_test: Unasked = False,
) -> None:
    """Add an engine or a cluster to the fleet, or change the address of one that is in it."""
    from uptainer.cli import host_adding  # noqa: PLC0415 -- help and completion need none of it

    host_adding.add(
        name,
        url,
        runtime=runtime,
        block=block,
        context=context,
        namespaces=namespace or (),
        excluded_namespaces=exclude_namespace or (),
        timeout=timeout,
        server=server,
        test=not no_test,
    )


def list_(as_json: AsJson = False) -> None:
    """List the hosts, and whether they answer."""
    from uptainer.cli import hosting  # noqa: PLC0415 -- help and completion need none of it

    hosting.show_all(as_json=as_json)


def test(name: Name) -> None:
    """Connect now, and say what answers."""
    from uptainer.cli import hosting  # noqa: PLC0415 -- help and completion need none of it

    hosting.test(name)


def sync(name: MaybeName = None, as_json: AsJson = False) -> None:
    """Read what runs there now, and say what is new, changed or gone."""
    from uptainer.cli import hosting  # noqa: PLC0415 -- help and completion need none of it

    hosting.sync(name, as_json=as_json)


def disable(name: Name, reason: Why) -> None:
    """Leave a host alone until it is enabled again: it is not read, updated, backed up or cleaned."""
    from uptainer.cli import hosting  # noqa: PLC0415 -- help and completion need none of it

    hosting.disable(name, reason)


def enable(name: Name, reason: MaybeWhy = "") -> None:
    """Take a host up again that was switched off."""
    from uptainer.cli import hosting  # noqa: PLC0415 -- help and completion need none of it

    hosting.enable(name, reason)


def remove(name: Name, force: Force = False) -> None:
    """Take a host out of the fleet; nothing on it is touched, and its history stays."""
    from uptainer.cli import hosting  # noqa: PLC0415 -- help and completion need none of it

    hosting.remove(name, force=force)
