"""`uptainer advice`: what language models were asked about updates, what that took, and how good a model is at it."""

from typing import TYPE_CHECKING, Annotated

import typer

from uptainer.cli.groups import examples, group
from uptainer.cli.output import AsJson

if TYPE_CHECKING:
    from uptainer.advice.evaluation import CaseResult

Update = Annotated[
    int, typer.Argument(metavar="UPDATE", help="The update's id, as `uptainer updates` lists it.")
]
Workload = Annotated[str | None, typer.Argument(metavar="HOST/NAME", help="Only about this workload.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="So many, the newest first.")]
Days = Annotated[int, typer.Option("--days", min=1, max=400, help="So many days, the newest first.")]
Block = Annotated[
    str, typer.Option("--model-block", metavar="NAME", help="The Advice model block of the model to measure.")
]
Case = Annotated[
    list[str] | None,
    typer.Option("--case", metavar="NAME", help="Only this case; may be given several times."),
]
AtOnce = Annotated[int, typer.Option("--at-once", min=1, max=32, help="So many questions at one time.")]
MinScore = Annotated[
    int | None,
    typer.Option("--min-score", min=0, max=100, metavar="PERCENT", help="Fail where fewer cases are passed."),
]


def register(app: typer.Typer) -> None:
    ours = group(
        app,
        "advice",
        doc="What language models were asked, what that took, and how good one is at it.",
        listing=False,
    )
    ours.command(epilog=examples("uptainer advice show 17", "uptainer advice show 17 --json"))(show)
    ours.command(epilog=examples("uptainer advice log", "uptainer advice log nas/web --json"))(log)
    ours.command(epilog=examples("uptainer advice spent", "uptainer advice spent --days 30 --json"))(spent)
    ours.command(
        epilog=examples(
            "uptainer advice evaluate",
            "uptainer advice evaluate --model-block candidate --min-score 80",
            "uptainer advice evaluate --case injection-json --json",
        )
    )(evaluate)


def show(update: Update, as_json: AsJson = False) -> None:
    """Show the advice that was given on an update, and every prompt and answer behind it, whole."""
    from uptainer.cli.advising import print_history, read_history  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.cli.connection import database  # noqa: PLC0415 -- as above
    from uptainer.cli.output import print_json  # noqa: PLC0415 -- as above

    with database() as opened, opened.session() as session:
        history = read_history(session, update)
    if as_json:
        print_json(history)
    else:
        print_history(history)


def log(workload: Workload = None, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List what models were asked, the newest first; --json has the prompts and answers, whole."""
    from uptainer.cli.advising import print_log  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.cli.connection import database  # noqa: PLC0415 -- as above
    from uptainer.store.repositories.consultations import ConsultationRepository  # noqa: PLC0415 -- as above

    with database() as opened, opened.session() as session:
        listed = ConsultationRepository(session).listing(workload=workload, limit=limit)
    print_log(listed, as_json=as_json)


def spent(days: Days = 7, as_json: AsJson = False) -> None:
    """List what the models took on the last days (of UTC) on which one was asked."""
    from uptainer.cli.advising import print_spending  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.cli.connection import database  # noqa: PLC0415 -- as above
    from uptainer.store.repositories.consultations import SpendingRepository  # noqa: PLC0415 -- as above

    with database() as opened, opened.session() as session:
        listed = SpendingRepository(session).listing(days=days)
    print_spending(listed, as_json=as_json)


def evaluate(
    model_block: Block = "uptainer",
    case: Case = None,
    at_once: AtOnce = 1,
    min_score: MinScore = None,
    as_json: AsJson = False,
) -> None:
    """Ask a model about recorded cases whose right answers are known, and say how it did.

    Nothing of your fleet is sent, and the day's budget is not counted: the cost that is shown comes on top of it.
    """
    from uptainer.advice.cases import load_cases  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.cli.connection import use_server  # noqa: PLC0415 -- as above

    cases = load_cases(tuple(case or ()))
    use_server()
    import anyio  # noqa: PLC0415 -- as above

    from uptainer.advice.connection import connect  # noqa: PLC0415 -- as above
    from uptainer.advice.evaluation import evaluate as ask_all  # noqa: PLC0415 -- as above
    from uptainer.cli.prefect.stores import advice_model  # noqa: PLC0415 -- it reads the environment that was just set

    model = connect(advice_model(model_block))

    async def asked() -> "list[CaseResult]":
        return await ask_all(model, cases, at_once=at_once)

    _report(anyio.run(asked), min_score, as_json=as_json)


def _report(results: "list[CaseResult]", min_score: int | None, *, as_json: bool) -> None:
    from uptainer.advice.evaluation import score_of  # noqa: PLC0415 -- help and completion need none of it
    from uptainer.cli.advising import print_results  # noqa: PLC0415 -- as above
    from uptainer.core.errors import RefusedError  # noqa: PLC0415 -- as above

    score = score_of(results)
    print_results(results, score, as_json=as_json)
    if not score.held:
        raise RefusedError(
            "an advice came out laxer than the rules': that is a fault of Uptainer's own, tell us"
        )
    if min_score is not None and score.percent < min_score:
        raise RefusedError(
            f"the model passes {score.percent} % of the cases, and {min_score} % are asked for"
        )
