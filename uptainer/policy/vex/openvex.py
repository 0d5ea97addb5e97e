"""OpenVEX 0.0 to 0.2. Source: https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from packageurl import PackageURL
from pydantic import BaseModel, ConfigDict, Field

from uptainer.policy.vex.editions import Edition, read_version
from uptainer.policy.vex.measure import Measure
from uptainer.policy.vex.products import join, make_products
from uptainer.policy.vex.statements import UNDATED, Product, Statement, VexStatus, parse_purl


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class _Identifiers(_Part):
    purl: str = ""


class _Component(_Part):
    id: str = Field("", alias="@id")
    identifiers: _Identifiers = _Identifiers()

    @property
    def purl(self) -> PackageURL | None:
        return parse_purl(self.identifiers.purl or self.id)


class _Product(_Component):
    subcomponents: list[_Component | str] = []


class _Vulnerability(_Part):
    name: str = Field(min_length=1)
    aliases: list[str] = []


class _Statement(_Part):
    """Before 0.2 the vulnerability and the products were plain texts, and the subcomponents stood beside them."""

    vulnerability: _Vulnerability | str
    products: list[_Product | str] = []
    subcomponents: list[_Component | str] = []
    status: VexStatus
    justification: str = ""
    impact_statement: str = ""
    timestamp: datetime | None = None
    last_updated: datetime | None = None


class OpenVex(_Part):
    id: str = Field("", alias="@id")
    version: int | str = ""
    timestamp: datetime | None = None
    last_updated: datetime | None = None
    statements: list[_Statement] = Field(min_length=1)

    @property
    def edition(self) -> Edition:
        return Edition(self.id, read_version(self.version))

    def read(self, measure: Measure) -> Iterator[Statement]:
        for number, each in enumerate(self.statements, 1):
            yield Statement(
                number,
                _names(each.vulnerability),
                each.status,
                join(
                    measure,
                    (_products(product, each.subcomponents, each.status) for product in each.products),
                ),
                each.justification or each.impact_statement,
                # A statement has its document's first date, and not the one when another statement was added.
                each.last_updated or each.timestamp or self.timestamp or self.last_updated or UNDATED,
            )


def _names(vulnerability: _Vulnerability | str) -> frozenset[str]:
    if isinstance(vulnerability, str):
        return frozenset({vulnerability.upper()})
    return frozenset(name.upper() for name in (vulnerability.name, *vulnerability.aliases))


def _products(
    product: _Product | str, beside: Sequence[_Component | str], status: VexStatus
) -> tuple[Product, ...]:
    inside = [] if isinstance(product, str) else product.subcomponents
    return make_products(_purl(product), [_purl(each) for each in (*inside, *beside)], status)


def _purl(named: _Component | str) -> PackageURL | None:
    return parse_purl(named) if isinstance(named, str) else named.purl
