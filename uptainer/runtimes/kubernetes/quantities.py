"""Amounts as a cluster writes them. Pure."""

from collections.abc import Mapping
from decimal import Decimal

_SUFFIXES: Mapping[str, Decimal] = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    **{letter: Decimal(1000 ** (power + 2)) for power, letter in enumerate("MGTPE")},
    **{f"{letter}i": Decimal(1024 ** (power + 1)) for power, letter in enumerate("KMGTPE")},
}


def quantity(text: str | float) -> Decimal:
    """`250m`, `1Gi`, `2`, `1e3` as a number of cores, bytes or pieces.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    written = str(text)
    suffix = written.lstrip("+-.0123456789")
    if suffix in _SUFFIXES:
        return Decimal(written.removesuffix(suffix)) * _SUFFIXES[suffix]
    return Decimal(written)
