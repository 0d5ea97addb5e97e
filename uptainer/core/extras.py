"""Libraries that few need: how to get them."""


def how_to_install(extra: str) -> str:
    """Not with pip by our name: the package of that name on PyPI is another project's."""
    return (
        f"in the clone, `python3 scripts/bootstrap.py --uv sync --no-dev --inexact --extra {extra}`, "
        "then start Uptainer again"
    )
