"""`uptainer trust`: whose signatures count."""

from pathlib import Path
from typing import Annotated

import typer

from uptainer.cli.groups import examples, group
from uptainer.cli.output import AsJson

Name = Annotated[str, typer.Argument(help="What policies call it, in `signed_by`.")]
Keys = Annotated[
    list[Path] | None,
    typer.Option("--key", help="A public key in PEM (cosign.pub); may be given again: any of them counts."),
]
Identity = Annotated[
    str, typer.Option("--identity", help="Whose certificate: a mail address, or a workflow's address.")
]
IdentityMatches = Annotated[
    str, typer.Option("--identity-matches", help="The same as an RE2 pattern, which must match the whole.")
]
Issuer = Annotated[str, typer.Option("--issuer", help="Who vouched for them, as the certificate says.")]
IssuerMatches = Annotated[str, typer.Option("--issuer-matches", help="The same as an RE2 pattern.")]
Root = Annotated[
    Path | None, typer.Option("--root", help="Sigstore's trusted_root.json: its authorities and logs.")
]
Fulcio = Annotated[
    Path | None,
    typer.Option("--fulcio", help="Instead of --root: Fulcio's certificates in PEM, the signing one first."),
]
Rekor = Annotated[
    list[Path] | None, typer.Option("--rekor", help="With --fulcio: a log's public key; may be given again.")
]
CtLogs = Annotated[
    list[Path] | None,
    typer.Option(
        "--ct-log", help="With --fulcio: the key of a log in which certificates must have been published."
    ),
]
Annotations = Annotated[
    list[str] | None,
    typer.Option("--annotation", metavar="KEY=VALUE", help="What must have been signed with it."),
]


def register(app: typer.Typer) -> None:
    ours = group(app, "trust", doc="Whose signatures of images count; policies name them in `signed_by`.")
    ours.command(
        epilog=examples(
            "uptainer trust add shop --key cosign.pub",
            "uptainer trust add releases --root trusted_root.json "
            "--issuer https://token.actions.githubusercontent.com "
            "--identity-matches 'https://github.com/me/app/.github/workflows/.*@refs/tags/v.*'",
        )
    )(add)
    ours.command("list", epilog=examples("uptainer trust list --json"))(list_)
    ours.command(epilog=examples("uptainer trust remove shop"))(remove)


def add(  # noqa: PLR0917 -- typer's options, given by name
    name: Name,
    key: Keys = None,
    identity: Identity = "",
    identity_matches: IdentityMatches = "",
    issuer: Issuer = "",
    issuer_matches: IssuerMatches = "",
    root: Root = None,
    fulcio: Fulcio = None,
    rekor: Rekor = None,
    ct_log: CtLogs = None,
    annotation: Annotations = None,
) -> None:
    """Keep a trust: public keys, or an identity and the root that it is proved against. A name that is there is replaced."""
    from uptainer.cli import trusting  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.fleet.content import TrustDeclaration  # noqa: PLC0415 -- the same

    given = TrustDeclaration(
        keys=_paths(key),
        identity=identity,
        identity_matches=identity_matches,
        issuer=issuer,
        issuer_matches=issuer_matches,
        root=str(root or ""),
        fulcio=str(fulcio or ""),
        rekor=_paths(rekor),
        ct_logs=_paths(ct_log),
    )
    trusting.add(name, given, annotation or [])


def _paths(given: list[Path] | None) -> tuple[str, ...]:
    return tuple(map(str, given or ()))


def list_(as_json: AsJson = False) -> None:
    """List the trusts, and how many images were verified against each."""
    from uptainer.cli import trusting  # noqa: PLC0415 -- help and completion need none of it

    trusting.show(as_json=as_json)


def remove(name: Name) -> None:
    """Forget a trust. A policy that still names it holds everything back that it is for."""
    from uptainer.cli import trusting  # noqa: PLC0415 -- help and completion need none of it

    trusting.remove(name)
