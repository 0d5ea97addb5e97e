"""CSAF 2.0 with the VEX profile. Source: https://docs.oasis-open.org/csaf/csaf/v2.0/csaf-v2.0.html, 4.5 "Profile 5: VEX"."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from packageurl import PackageURL
from pydantic import BaseModel, ConfigDict, Field

from uptainer.core.errors import InvalidInputError
from uptainer.policy.vex.editions import Edition, read_version
from uptainer.policy.vex.measure import Measure
from uptainer.policy.vex.products import join, make_products
from uptainer.policy.vex.statements import UNDATED, Product, Statement, VexStatus, parse_purl

_STATUSES = {
    "known_not_affected": VexStatus.NOT_AFFECTED,
    "fixed": VexStatus.FIXED,
    "first_fixed": VexStatus.FIXED,
    "known_affected": VexStatus.AFFECTED,
    "first_affected": VexStatus.AFFECTED,
    "last_affected": VexStatus.AFFECTED,
    "under_investigation": VexStatus.UNDER_INVESTIGATION,
}
_PARTS_OF = frozenset({"default_component_of", "installed_on", "installed_with"})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Tracking(_Part):
    id: str = ""
    version: int | str = ""
    status: Literal["draft", "interim", "final"] = "final"
    current_release_date: datetime | None = None


class _Publisher(_Part):
    namespace: str = ""


class _About(_Part):
    category: str
    csaf_version: str = "2.0"
    publisher: _Publisher = _Publisher()
    tracking: _Tracking = _Tracking()


class _Helper(_Part):
    purl: str = ""


class _FullName(_Part):
    product_id: str
    product_identification_helper: _Helper = _Helper()


class _Branch(_Part):
    branches: list["_Branch"] = []
    product: _FullName | None = None


class _Relationship(_Part):
    category: str
    product_reference: str
    relates_to_product_reference: str
    full_product_name: _FullName


class _Group(_Part):
    group_id: str
    product_ids: list[str] = []


class _Tree(_Part):
    branches: list[_Branch] = []
    full_product_names: list[_FullName] = []
    relationships: list[_Relationship] = []
    product_groups: list[_Group] = []

    def products(self, status: VexStatus) -> Mapping[str, tuple[Product, ...]]:
        """By product id, as far as something of this status can be said of it. What is part of something else is that part in it, and nothing by itself."""
        purls = {
            each.product_id: parse_purl(each.product_identification_helper.purl) for each in self._names()
        }
        found = {name: make_products(purl, (), status) for name, purl in purls.items()}
        for each in self.relationships:
            whole = purls.get(each.relates_to_product_reference)
            parts: Sequence[PackageURL | None] = [purls.get(each.product_reference)]
            is_part = each.category in _PARTS_OF and whole is not None and whole.type == "oci"
            found[each.full_product_name.product_id] = make_products(whole, parts, status) if is_part else ()
        return found

    def groups(self) -> Mapping[str, Sequence[str]]:
        return {each.group_id: each.product_ids for each in self.product_groups}

    def _names(self) -> Iterator[_FullName]:
        yield from self.full_product_names
        waiting = list(self.branches)
        while waiting:
            branch = waiting.pop()
            waiting += branch.branches
            if branch.product is not None:
                yield branch.product


class _Said(_Part):
    """A flag or a threat: why some products are not affected."""

    label: str = ""
    category: str = ""
    details: str = ""
    product_ids: list[str] = []
    group_ids: list[str] = []


class _Id(_Part):
    text: str = ""


class _Vulnerability(_Part):
    cve: str = ""
    ids: list[_Id] = []
    product_status: dict[str, list[str]] = {}
    flags: list[_Said] = []
    threats: list[_Said] = []

    def reasons(self, groups: Mapping[str, Sequence[str]], measure: Measure) -> Mapping[str, str]:
        """By product id: its justification, else the impact that is told of it."""
        found: dict[str, str] = {}
        impacts = [(each, each.details) for each in self.threats if each.category == "impact"]
        for said, words in (*impacts, *((each, each.label) for each in self.flags)):
            for named in (said.product_ids, *(groups.get(group, ()) for group in said.group_ids)):
                measure.take(len(named))
                found |= dict.fromkeys(named, words) if words else {}
        return found


class Csaf(_Part):
    document: _About
    product_tree: _Tree = _Tree()
    vulnerabilities: list[_Vulnerability] = Field(min_length=1)

    @property
    def edition(self) -> Edition:
        about, tracking = self.document, self.document.tracking
        return Edition(
            f"{about.publisher.namespace} {tracking.id}" if tracking.id else "",
            read_version(tracking.version),
        )

    def read(self, measure: Measure) -> Iterator[Statement]:
        """A statement for each vulnerability, status and reason.

        Raises:
            InvalidInputError: its issuer does not stand by it yet, or it is of a version that has other fields.
        """
        if self.document.tracking.status == "draft":
            raise InvalidInputError("it is a draft, which its issuer does not stand by yet")
        if self.document.csaf_version != "2.0":
            raise InvalidInputError(f"it is CSAF {self.document.csaf_version[:20]}, and 2.0 is what is read")
        products = {status: self.product_tree.products(status) for status in VexStatus}
        groups = self.product_tree.groups()
        at = self.document.tracking.current_release_date or UNDATED
        number = 0
        for each in self.vulnerabilities:
            names = frozenset(name.upper() for name in (each.cve, *(one.text for one in each.ids)) if name)
            for (status, why), ids in _by_reason(each, each.reasons(groups, measure)).items():
                number += 1
                meant = join(measure, (products[status].get(name, ()) for name in ids))
                yield Statement(number, names, status, meant, why, at)


def _by_reason(
    vulnerability: _Vulnerability, reasons: Mapping[str, str]
) -> Mapping[tuple[VexStatus, str], Sequence[str]]:
    found: dict[tuple[VexStatus, str], list[str]] = {}
    for word, ids in vulnerability.product_status.items():
        if word in _STATUSES:
            for name in ids:
                found.setdefault((_STATUSES[word], reasons.get(name, "")), []).append(name)
    return found
