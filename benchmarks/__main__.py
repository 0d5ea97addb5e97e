"""All benchmarks, one after the other: `python -m benchmarks [NAME ...]`. Each prints its figures beside its floor."""

import subprocess
import sys

ALL = ("lookups", "discovery", "swap", "idle")


def main() -> None:
    names = sys.argv[1:] or ALL
    unknown = [name for name in names if name not in ALL]
    if unknown:
        sys.exit(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(ALL)}")
    missed = [name for name in names if _run(name) != 0]
    sys.exit(f"aims missed by: {', '.join(missed)}" if missed else 0)


def _run(name: str) -> int:
    print(f"\n== {name}", flush=True)
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode


if __name__ == "__main__":
    main()
