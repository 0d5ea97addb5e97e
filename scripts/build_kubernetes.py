"""Build the Kubernetes that the tests start a cluster from, once for a user of a machine: about six minutes on two cores.

Debian's source package has all its dependencies inside, and Debian's Go builds it. It is fetched with lists and caches
of apt's that are this program's own: the machine's package sources stay as they are. The binaries are put into
`~/.cache/uptainer-lab/kubernetes-VERSION` when all of them are there, and the source is deleted.
"""

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION = "1.20.2"
REVISION = 2
"""Counted up with every change of what is built here, so that an older build is not taken for it."""

SUITE = "bookworm"
"""The Debian release that has this version; any Debian's apt can fetch it from there."""

MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
CACHE = Path.home() / ".cache" / "uptainer-lab"
BINARIES = CACHE / f"kubernetes-{VERSION}-{REVISION}"

NEEDED = {
    "go": "golang-go",
    "dpkg-source": "dpkg-dev",
    "make": "make",
    "patch": "patch",
    "rsync": "rsync",
    "jq": "jq",
}
"""Which package has which program that the build runs."""

MENDS = {
    "unsafe_link.go": (
        ("m unsafe.Pointer) *hiter", "m unsafe.Pointer, it *hiter)"),
        ("// rest fields are ignored", "_ [6]unsafe.Pointer\n\t_ [4]uintptr"),
    ),
    "unsafe_map.go": (
        (
            "\treturn &UnsafeMapIterator{\n\t\thiter:",
            "\tvar it hiter\n\tmapiterinit(type2.rtype, *(*unsafe.Pointer)(obj), &it)\n\treturn &UnsafeMapIterator{\n\t\thiter:",
        ),
        (" mapiterinit(type2.rtype, *(*unsafe.Pointer)(obj)),", " &it,"),
    ),
}
"""By file of the library, what stands there and what has to: an iterator is made by its caller, as large as Go's own."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--is-built", action="store_true", help="only say by the status whether it is")
    parser.add_argument(
        "--needs", action="store_true", help="only print the packages that are missing for it"
    )
    asked = parser.parse_args()
    missing = sorted(package for program, package in NEEDED.items() if not shutil.which(program))
    if asked.is_built:
        sys.exit(not BINARIES.exists())
    if asked.needs:
        print(*missing)
    elif missing:
        sys.exit(f"lab: Kubernetes can't be built: apt-get install {' '.join(missing)}")
    else:
        CACHE.mkdir(parents=True, exist_ok=True)
        with alone(CACHE / "kubernetes.lock"):
            if not BINARIES.exists():
                build_alone()


def build_alone() -> None:
    os.nice(10)
    for abandoned in CACHE.glob("kubernetes-build-*"):
        delete(abandoned)
    place = Path(tempfile.mkdtemp(prefix="kubernetes-build-", dir=CACHE))
    try:
        build(place)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout or "").strip().rpartition("\n")[2]
        sys.exit(f"lab: Kubernetes can't be built: {' '.join(error.cmd[:2])} said: {said}")
    finally:
        delete(place)


def build(place: Path) -> None:
    """Raises: CalledProcessError."""
    fetch(place / "apt")
    source = place / "go" / "src" / "k8s.io" / "kubernetes"
    source.parent.mkdir(parents=True)
    next((place / "apt").glob("kubernetes-*/")).rename(source)
    mend(source)
    run(
        ["make", f"WHAT={' '.join(f'cmd/{program}' for program in PROGRAMS)}"],
        folder=source,
        env={
            "GOPATH": str(place / "go"),
            "GOCACHE": str(place / "cache"),
            "TMPDIR": str(place),
            "GO111MODULE": "off",
            "CGO_ENABLED": "0",
            "KUBE_GIT_VERSION": f"v{VERSION}",
            "KUBE_GIT_MAJOR": VERSION.split(".", maxsplit=1)[0],
            "KUBE_GIT_MINOR": VERSION.split(".")[1],
            "KUBE_GIT_COMMIT": "debian",
            "KUBE_GIT_TREE_STATE": "clean",
        },
    )
    built = place / "built"
    built.mkdir()
    for program in PROGRAMS:
        (source / "_output" / "local" / "go" / "bin" / program).rename(built / program)
    built.rename(BINARIES)


def mend(source: Path) -> None:
    """Have its library for JSON walk through maps as Go does since 1.18: else it writes to memory that is not its own.

    Without this the API server ends by a segmentation fault after some minutes of work.
    Source: `mapiterinit` of Go's package reflect, whose third argument this library of 2018 does not give.
    """
    for name, changes in MENDS.items():
        file = source / "vendor" / "github.com" / "modern-go" / "reflect2" / name
        text = file.read_text()
        for before, after in changes:
            if before not in text:
                sys.exit(f"lab: Kubernetes can't be built: {file.name} is not what it was")
            text = text.replace(before, after)
        file.write_text(text)


def fetch(folder: Path) -> None:
    """Download and unpack Debian's source package; apt checks its signature.

    Raises: CalledProcessError.
    """
    (folder / "lists" / "partial").mkdir(parents=True)
    (folder / "archives" / "partial").mkdir(parents=True)
    signed = f" [signed-by={KEYRING}]" if Path(KEYRING).exists() else ""
    (folder / "sources.list").write_text(f"deb-src{signed} {MIRROR} {SUITE} main\n")
    settings = {
        "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder,
        "APT::Sandbox::User": "root",
    }
    options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    run(["apt-get", "-qq", *options, "update"], folder=folder)
    run(["apt-get", "-qq", *options, "source", f"kubernetes/{SUITE}"], folder=folder)


def run(command: list[str], *, folder: Path, env: dict[str, str] | None = None) -> None:
    subprocess.run(
        command, cwd=folder, env={**os.environ, **(env or {})}, check=True, capture_output=True, text=True
    )


def delete(folder: Path) -> None:
    """Go writes some folders so that their owner can't delete what is in them."""
    for path in (path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink()):
        path.chmod(0o755)
    shutil.rmtree(folder)


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """A second run waits for the first, and then finds its work done."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    main()
