"""Images that a scanner takes for Alpine: its release files and an apk database, over the busybox layer.

Source: apk-tools' `apk(5)` for the installed database.
"""

from collections.abc import Mapping
from typing import Any

from tests.lab.images import Image, build_image

RELEASE_WITH_SUPPORT = "3.99.0"
RELEASE_WITHOUT_SUPPORT = "3.10.9"

OLD_PACKAGES = {
    "busybox": "1.36.1-r15",
    "openssl": "3.1.4-r0",
    "libssl3": "3.1.4-r0",
    "libcrypto3": "3.1.4-r0",
    "musl": "1.2.4-r2",
}
"""Has every vulnerability of the lab's database."""

FIXED_PACKAGES = {**OLD_PACKAGES, "busybox": "1.36.1-r17"} | dict.fromkeys(
    ("openssl", "libssl3", "libcrypto3"), "3.1.8-r0"
)
"""What is left: CVE-2026-9001 (critical) and CVE-2026-9002 (no fix)."""

BEST_PACKAGES = {**FIXED_PACKAGES} | dict.fromkeys(("openssl", "libssl3", "libcrypto3"), "3.3.2-r0")
"""What is left: CVE-2026-9002, which nothing fixes."""

_ORIGINS = {"libssl3": "openssl", "libcrypto3": "openssl"}


def build_alpine(
    *,
    release: str = RELEASE_WITH_SUPPORT,
    packages: Mapping[str, str] = OLD_PACKAGES,
    files: Mapping[str, str | bytes] | None = None,
    **options: Any,
) -> Image:
    """`packages` by name and version; `options` are those of `build_image`."""
    return build_image(files={**alpine_files(release, packages), **(files or {})}, **options)


def alpine_files(release: str, packages: Mapping[str, str]) -> dict[str, str | bytes]:
    """For `make_image(..., files=alpine_files(...))` too."""
    short = ".".join(release.split(".")[:2])
    named = f'NAME="Alpine Linux"\nID=alpine\nVERSION_ID={release}\nPRETTY_NAME="Alpine Linux v{short}"\n'
    return {
        "/etc/os-release": named,
        "/etc/alpine-release": f"{release}\n",
        "/etc/apk/repositories": f"https://dl-cdn.alpinelinux.org/alpine/v{short}/main\n",
        "/lib/apk/db/installed": "".join(_record(name, version) for name, version in packages.items()),
    }


def python_package(name: str, version: str) -> dict[str, str | bytes]:
    """The metadata file by which a scanner knows an installed Python package."""
    folder = f"/usr/lib/python3.12/site-packages/{name}-{version}.dist-info"
    return {f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: BSD\n"}


def _record(name: str, version: str) -> str:
    fields = {
        "P": name,
        "V": version,
        "A": "x86_64",
        "S": "1",
        "I": "1",
        "T": name,
        "U": "https://example.test",
        "L": "MIT",
        "o": _ORIGINS.get(name, name),
        "m": "Lab <lab@example.test>",
        "t": "1700000000",
        "c": "0" * 40,
    }
    return "".join(f"{letter}:{value}\n" for letter, value in fields.items()) + "\n"
