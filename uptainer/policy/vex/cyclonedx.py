"""CycloneDX VEX, 1.4 and later, as JSON. Source: https://cyclonedx.org/docs/1.6/json/#vulnerabilities."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from packageurl import PackageURL
from pydantic import BaseModel, ConfigDict, Field

from uptainer.policy.vex.editions import Edition, read_version
from uptainer.policy.vex.measure import Measure
from uptainer.policy.vex.products import join, make_products
from uptainer.policy.vex.statements import EXCUSING, UNDATED, Product, Statement, VexStatus, parse_purl

_STATES = {
    "resolved": VexStatus.FIXED,
    "resolved_with_pedigree": VexStatus.FIXED,
    "exploitable": VexStatus.AFFECTED,
    "in_triage": VexStatus.UNDER_INVESTIGATION,
    "false_positive": VexStatus.NOT_AFFECTED,
    "not_affected": VexStatus.NOT_AFFECTED,
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class _Component(_Part):
    ref: str = Field("", alias="bom-ref")
    purl: str = ""
    components: list["_Component"] = []


class _Metadata(_Part):
    timestamp: datetime | None = None
    component: _Component | None = None


class _Analysis(_Part):
    state: str = ""
    justification: str = ""
    detail: str = ""
    first_issued: datetime | None = Field(None, alias="firstIssued")
    last_updated: datetime | None = Field(None, alias="lastUpdated")


class _Affects(_Part):
    ref: str
    versions: list[object] = []


class _Reference(_Part):
    id: str = ""


class _Vulnerability(_Part):
    id: str = Field(min_length=1)
    references: list[_Reference] = []
    analysis: _Analysis = _Analysis()
    affects: list[_Affects] = []


class CycloneDx(_Part):
    serial_number: str = Field("", alias="serialNumber")
    version: int = 1
    metadata: _Metadata = _Metadata()
    components: list[_Component] = []
    vulnerabilities: list[_Vulnerability] = Field(min_length=1)

    @property
    def edition(self) -> Edition:
        return Edition(self.serial_number, read_version(self.version))

    def read(self, measure: Measure) -> Iterator[Statement]:
        """What has no analysis states nothing."""
        known = dict(self._components())
        for number, each in enumerate(self.vulnerabilities, 1):
            status = _STATES.get(each.analysis.state, VexStatus.UNDER_INVESTIGATION)
            yield Statement(
                number,
                frozenset(name.upper() for name in (each.id, *(ref.id for ref in each.references)) if name),
                status,
                join(measure, (self._products(affected, known, status) for affected in each.affects)),
                each.analysis.justification or each.analysis.detail,
                # When the vulnerability's record was updated says nothing of when it was analysed.
                each.analysis.last_updated
                or each.analysis.first_issued
                or self.metadata.timestamp
                or UNDATED,
            )

    def _products(
        self, affected: _Affects, known: Mapping[str, PackageURL | None], status: VexStatus
    ) -> tuple[Product, ...]:
        """Of a package, the image that the document is about. A link into another document leads nowhere that is known.

        Versions that are affected apart from others are beyond one status, so that they excuse nothing.
        """
        if affected.versions and status in EXCUSING:
            return ()
        purl = known.get(affected.ref) or parse_purl(affected.ref)
        about = self.metadata.component
        if about is None or (purl is not None and purl.type == "oci"):
            return make_products(purl, (), status)
        return make_products(parse_purl(about.purl), [purl], status)

    def _components(self) -> Iterator[tuple[str, PackageURL | None]]:
        about = [self.metadata.component] if self.metadata.component else []
        waiting = [*about, *self.components]
        while waiting:
            component = waiting.pop()
            waiting += component.components
            if component.ref:
                yield component.ref, parse_purl(component.purl)
