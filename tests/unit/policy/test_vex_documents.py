"""VEX documents of three forms: which statement speaks of which image and package, and which of them excuses."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from packageurl import PackageURL

from tests.lab.facts import digest
from uptainer.core.enums import Severity, VexFormat
from uptainer.core.errors import InvalidInputError
from uptainer.core.findings import Vulnerability
from uptainer.core.reference import Reference
from uptainer.policy.identity import ImageIdentity
from uptainer.policy.vex.reading import read_document
from uptainer.policy.vex.statements import Document, is_image, is_package

OURS, OTHER = digest("ours"), digest("other")
IMAGE = ImageIdentity(Reference.parse("ghcr.io/shop/app:1.2.0"), frozenset({OURS}), "amd64")
OPENSSL = "pkg:apk/alpine/libssl3@3.1.4-r0?arch=x86_64&distro=3.20.1"
FLAW = Vulnerability("CVE-2026-1", "libssl3", "3.1.4-r0", "", Severity.HIGH, purl=OPENSSL)
APP = f"pkg:oci/app@{OURS}?repository_url=ghcr.io/shop/app"

IMAGES = [
    (APP, True),
    (f"pkg:oci/app@{OURS.replace(':', '%3A')}?repository_url=ghcr.io%2Fshop%2Fapp&arch=amd64", True),
    (f"pkg:oci/app@{OURS}", True),
    (f"pkg:oci/app@{OTHER}?repository_url=ghcr.io/shop/app", False),
    (f"pkg:oci/app@{OURS}?repository_url=ghcr.io/shop/other", False),
    (f"pkg:oci/app@{OURS}?repository_url=evil.test/shop/app", False),
    ("pkg:oci/app?repository_url=ghcr.io/shop/app", True),
    ("pkg:oci/app?repository_url=https://ghcr.io/shop/app", True),
    ("pkg:oci/app?repository_url=ghcr.io/shop", False),
    ("pkg:oci/app?repository_url=not//a/repository", False),
    ("pkg:oci/app", False),
    ("pkg:oci/app?repository_url=ghcr.io/shop/app&tag=1.2.0", True),
    ("pkg:oci/app?repository_url=ghcr.io/shop/app&tag=1.2.1", False),
    ("pkg:oci/app?repository_url=ghcr.io/shop/app&arch=arm64", False),
    ("pkg:oci/app?repository_url=ghcr.io/shop/app&channel=edge", False),
    (f"{APP}#usr/lib/plugin", False),
    (f"pkg:docker/shop/app@{OURS}", False),
    (f"pkg:generic/app@{OURS}", False),
]


@pytest.mark.parametrize(("purl", "meant"), IMAGES)
def test_an_image_is_meant_to_the_letter_or_not_at_all(purl: str, meant: bool) -> None:
    assert is_image(PackageURL.from_string(purl), IMAGE) is meant


def test_docker_hub_has_one_name_whichever_way_it_is_written() -> None:
    nginx = ImageIdentity(Reference.parse("nginx:1.27"))
    for repository in ("index.docker.io/library/nginx", "docker.io/library/nginx"):
        assert is_image(PackageURL.from_string(f"pkg:oci/nginx?repository_url={repository}"), nginx)


def test_what_is_not_known_of_an_image_is_not_taken_for_right() -> None:
    nameless = ImageIdentity(None, frozenset({OURS}))
    assert is_image(PackageURL.from_string(f"pkg:oci/app@{OURS}"), nameless)
    assert not is_image(PackageURL.from_string(APP), nameless)
    assert not is_image(PackageURL.from_string(f"pkg:oci/app@{OURS}?arch=amd64"), nameless)


PACKAGES = [
    ("pkg:apk/alpine/libssl3@3.1.4-r0", True),
    ("pkg:apk/alpine/libssl3", True),
    ("pkg:apk/alpine/libssl3@3.1.4-r0?arch=x86_64", True),
    ("pkg:apk/alpine/libssl3@3.1.4-r0?arch=aarch64", False),
    ("pkg:apk/alpine/libssl3@3.1.4-r1", False),
    ("pkg:apk/wolfi/libssl3@3.1.4-r0", False),
    ("pkg:apk/alpine/openssl@3.1.4-r0", False),
    ("pkg:deb/alpine/libssl3@3.1.4-r0", False),
    ("pkg:apk/alpine/libssl3@3.1.4-r0?arch=x86_64&repository=edge", False),
    ("pkg:apk/alpine/libssl3@3.1.4-r0#usr/lib", False),
]


@pytest.mark.parametrize(("purl", "meant"), PACKAGES)
def test_a_package_is_meant_to_the_letter_or_not_at_all(purl: str, meant: bool) -> None:
    assert is_package(PackageURL.from_string(purl), OPENSSL) is meant
    assert not is_package(PackageURL.from_string(purl), "")


def openvex(*statements: dict[str, Any], **given: Any) -> str:
    said = [
        {
            "vulnerability": {"name": "CVE-2026-1"},
            "products": [{"@id": APP}],
            "status": "not_affected",
            "justification": "component_not_present",
            **each,
        }
        for each in statements
    ]
    head = {"@context": "https://openvex.dev/ns/v0.2.0", "timestamp": "2026-01-01T00:00:00Z"}
    return json.dumps({**head, "statements": said, **given})


def excuses(document: Document, image: ImageIdentity = IMAGE, flaw: Vulnerability = FLAW) -> bool:
    words = document.last_words(flaw, image)
    return bool(words) and all(each.excuses for each in words)


INSIDE = {"@id": "pkg:apk/alpine/libssl3"}
OPENVEX: list[tuple[str, list[dict[str, Any]], bool]] = [
    ("not affected", [{}], True),
    ("fixed needs no reason", [{"status": "fixed", "justification": ""}], True),
    ("not affected needs one", [{"justification": ""}], False),
    ("an impact statement is one", [{"justification": "", "impact_statement": "it is never called"}], True),
    ("affected", [{"status": "affected"}], False),
    ("under investigation", [{"status": "under_investigation"}], False),
    ("another vulnerability", [{"vulnerability": {"name": "CVE-2026-10"}}], False),
    ("by an alias", [{"vulnerability": {"name": "GHSA-1", "aliases": ["cve-2026-1"]}}], True),
    ("in this package", [{"products": [{"@id": APP, "subcomponents": [INSIDE]}]}], True),
    ("in another package", [{"products": [{"@id": APP, "subcomponents": [{"@id": "pkg:apk/alpine/curl"}]}]}], False),
    ("in one that is no package", [{"products": [{"@id": APP, "subcomponents": [{"@id": "libssl3"}]}]}], False),
    ("its purl beside its id", [{"products": [{"@id": "https://shop.test/app", "identifiers": {"purl": APP}}]}], True),
    ("a product that is no purl", [{"products": [{"@id": "ghcr.io/shop/app:1.2.0"}]}], False),
    ("the package itself", [{"products": [{"@id": "pkg:apk/alpine/libssl3@3.1.4-r0"}]}], True),
    ("a package of every version", [{"products": [{"@id": "pkg:apk/alpine/libssl3"}]}], False),
    ("no product", [{"products": []}], False),
    ("the older form", [{"vulnerability": "CVE-2026-1", "products": [APP], "subcomponents": ["pkg:apk/alpine/libssl3"]}], True),
    ("the older form, another package", [{"vulnerability": "CVE-2026-1", "products": [APP], "subcomponents": ["pkg:apk/alpine/curl"]}], False),
    ("the newest counts", [{"timestamp": "2026-02-01T00:00:00Z"}, {"status": "affected"}], True),
    ("the newest counts, also against it", [{}, {"status": "affected", "timestamp": "2026-02-01T00:00:00"}], False),
    ("affected in what is no package, so in all of it", [{}, {"status": "affected", "timestamp": "2026-02-01T00:00:00Z", "products": [{"@id": APP, "subcomponents": [{"@id": "libssl3"}]}]}], False),
    ("affected in every version", [{}, {"status": "affected", "timestamp": "2026-02-01T00:00:00Z", "products": [{"@id": "pkg:apk/alpine/libssl3"}]}], False),
    ("of the same time, all must excuse", [{}, {"status": "under_investigation"}], False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("statements", "excused"), [row[1:] for row in OPENVEX], ids=[row[0] for row in OPENVEX]
)
def test_openvex(statements: list[dict[str, Any]], excused: bool) -> None:
    document = read_document("vendor", openvex(*statements))
    assert document.format is VexFormat.OPENVEX
    assert excuses(document) is excused


def test_a_statement_has_its_documents_first_date() -> None:
    """Else it would come before one that was added later, and took it back."""
    affected = {"status": "affected", "timestamp": "2026-02-01T00:00:00Z"}
    document = openvex({}, affected, last_updated="2026-02-02T00:00:00Z")
    assert not excuses(read_document("vendor", document))


NOTHING: Mapping[str, Any] = MappingProxyType({})


def cyclonedx(state: str = "not_affected", **given: Any) -> str:
    analysis = {"state": state, "justification": "code_not_reachable"}
    vulnerability = {"id": "CVE-2026-1", "analysis": analysis, "affects": [{"ref": "app"}], **given}
    about = {"type": "container", "name": "app", "bom-ref": "app", "purl": APP}
    library = {
        "type": "library",
        "name": "libssl3",
        "bom-ref": "ssl",
        "purl": "pkg:apk/alpine/libssl3@3.1.4-r0",
    }
    wrapped = {"type": "library", "name": "outer", "components": [library]}
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": about}}
    return json.dumps({**head, "components": [wrapped], "vulnerabilities": [vulnerability]})


CYCLONEDX: list[tuple[str, str, bool]] = [
    ("the image", cyclonedx(), True),
    ("resolved", cyclonedx("resolved"), True),
    ("a false positive", cyclonedx("false_positive"), True),
    ("exploitable", cyclonedx("exploitable"), False),
    ("in triage", cyclonedx("in_triage"), False),
    ("no analysis", cyclonedx(analysis={}), False),
    ("no reason", cyclonedx(analysis={"state": "not_affected"}), False),
    ("a detail is a reason", cyclonedx(analysis={"state": "not_affected", "detail": "unused"}), True),
    ("a package in it", cyclonedx(affects=[{"ref": "ssl"}]), True),
    ("a package that is not in the list", cyclonedx(affects=[{"ref": "curl"}]), False),
    ("a link into another document", cyclonedx(affects=[{"ref": "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#ssl"}]), False),
    ("only some versions", cyclonedx(affects=[{"ref": "app", "versions": [{"version": "1.1", "status": "unaffected"}]}]), False),
    ("by a reference", cyclonedx(id="GHSA-1", references=[{"id": "CVE-2026-1"}]), True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "excused"), [row[1:] for row in CYCLONEDX], ids=[row[0] for row in CYCLONEDX]
)
def test_cyclonedx(document: str, excused: bool) -> None:
    read = read_document("vendor", document)
    assert read.format is VexFormat.CYCLONEDX
    assert excuses(read) is excused


@pytest.mark.parametrize("excusing_first", [True, False])
def test_of_two_analyses_the_newer_counts_and_not_the_newer_record(excusing_first: bool) -> None:
    said = json.loads(cyclonedx())
    (excusing,) = said["vulnerabilities"]
    older, newer = {"firstIssued": "2026-01-01T00:00:00Z"}, {"lastUpdated": "2026-02-01T00:00:00Z"}
    worse = {**excusing, "analysis": {"state": "exploitable", **(newer if excusing_first else older)}}
    excusing["analysis"] |= older if excusing_first else newer
    excusing["updated"] = "2026-03-01T00:00:00Z"
    said["vulnerabilities"].append(worse)
    assert excuses(read_document("vendor", json.dumps(said))) is not excusing_first


def test_what_cyclonedx_says_is_exploitable_in_a_package_that_is_none_counts_for_the_image() -> None:
    said = json.loads(cyclonedx())
    said["components"].append({"type": "library", "name": "plugin", "bom-ref": "plugin"})
    worse = {"id": "CVE-2026-1", "analysis": {"state": "exploitable"}, "affects": [{"ref": "plugin"}]}
    said["vulnerabilities"].append(worse)
    assert not excuses(read_document("vendor", json.dumps(said)))


def test_what_cyclonedx_says_of_another_image_s_package_is_not_said_of_ours() -> None:
    document = cyclonedx(affects=[{"ref": "ssl"}]).replace(OURS, OTHER)
    assert not excuses(read_document("vendor", document))


def csaf(
    status: str = "known_not_affected",
    products: tuple[str, ...] = ("app",),
    about: Mapping[str, Any] = NOTHING,
    **given: Any,
) -> str:
    flags = [{"label": "vulnerable_code_not_present", "product_ids": list(products)}]
    vulnerability = {"cve": "CVE-2026-1", "product_status": {status: list(products)}, "flags": flags, **given}
    tree = {
        "branches": [{"category": "vendor", "name": "Shop", "branches": [{"category": "product_name", "name": "app",
            "product": _product("app", APP)}]}],
        "full_product_names": [_product("ssl", "pkg:apk/alpine/libssl3@3.1.4-r0"), _product("bare", "")],
        "relationships": [_related("default_component_of", "ssl", "app"), _related("external_component_of", "ssl", "app"),
            _related("installed_on", "bare", "app")],
        "product_groups": [{"group_id": "all", "product_ids": ["app", "ssl"]}],
    }  # fmt: skip
    dated = {"category": "csaf_vex", "tracking": {"current_release_date": "2026-01-01T00:00:00Z"}, **about}
    return json.dumps({"document": dated, "product_tree": tree, "vulnerabilities": [vulnerability]})


def _product(name: str, purl: str) -> dict[str, Any]:
    helper = {"purl": purl} if purl else {}
    return {"name": name, "product_id": name, "product_identification_helper": helper}


def _related(category: str, part: str, whole: str) -> dict[str, Any]:
    name = {"name": f"{part} in {whole}", "product_id": f"{category}:{part}"}
    return {
        "category": category,
        "product_reference": part,
        "relates_to_product_reference": whole,
        "full_product_name": name,
    }


CSAF: list[tuple[str, str, bool]] = [
    ("the image", csaf(), True),
    ("fixed", csaf("fixed", flags=[]), True),
    ("affected", csaf("known_affected"), False),
    ("under investigation", csaf("under_investigation"), False),
    ("no reason", csaf(flags=[]), False),
    ("a threat is a reason", csaf(flags=[], threats=[{"category": "impact", "details": "unused", "group_ids": ["all"]}]), True),
    ("a flag for a group", csaf(flags=[{"label": "component_not_present", "group_ids": ["all"]}]), True),
    ("a package in it", csaf(products=("default_component_of:ssl",)), True),
    ("a package beside it", csaf(products=("external_component_of:ssl",)), False),
    ("a part without a purl", csaf(products=("installed_on:bare",)), False),
    ("a product that is not in the tree", csaf(products=("nobody",)), False),
    ("affected in a part without a purl", csaf(product_status={"known_not_affected": ["app"], "known_affected": ["installed_on:bare"]}), False),
    ("an interim document", csaf(about={"csaf_version": "2.0", "tracking": {"status": "interim"}}), True),
    ("by another id", csaf(cve="", ids=[{"system_name": "ours", "text": "CVE-2026-1"}]), True),
]  # fmt: skip


@pytest.mark.parametrize(("document", "excused"), [row[1:] for row in CSAF], ids=[row[0] for row in CSAF])
def test_csaf(document: str, excused: bool) -> None:
    read = read_document("vendor", document)
    assert read.format is VexFormat.CSAF
    assert excuses(read) is excused


def test_a_document_says_which_of_its_statements_can_never_apply() -> None:
    document = read_document(
        "vendor", openvex({}, {"products": [{"@id": "app"}]}, {"justification": ""}, {"status": "affected"})
    )
    assert document.unusable == {
        2: "none of its products is an image or a package by its package URL",
        3: "it says not_affected without a justification",
    }


WRONG = [
    ("not json", "is not JSON"),
    ("[]", "no VEX document"),
    ("{}", "neither OpenVEX, nor CycloneDX, nor CSAF"),
    ('{"document": {"category": "csaf_security_advisory"}}', "only csaf_vex states"),
    ('{"document": {"category": "csaf_withdrawn"}}', "only csaf_vex states"),
    (csaf(about={"tracking": {"status": "draft"}}), "a draft, which its issuer does not stand by yet"),
    (csaf(about={"tracking": {"status": "withdrawn"}}), "document.tracking.status: Input should be 'draft'"),
    (csaf(about={"csaf_version": "2.1"}), "it is CSAF 2.1, and 2.0 is what is read"),
    ('{"bomFormat": "CycloneDX"}', "no cyclonedx document: vulnerabilities: Field required"),
    (openvex({"status": "fine"}), "no openvex document: statements.0.status"),
    (openvex(), "statements: List should have at least 1 item"),
    ("[" * 100_000, "is not JSON"),
]


@pytest.mark.parametrize(("content", "sentence"), WRONG, ids=[row[1] for row in WRONG])
def test_what_is_no_vex_document_is_refused_with_what_is_wrong(content: str, sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence):
        read_document("vendor", content)
