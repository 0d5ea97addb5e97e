import importlib.util
from pathlib import Path
from types import ModuleType

from tests.lab.kubernetes import control_plane

ROOT = Path(__file__).resolve().parents[2]


def read_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "build_kubernetes", ROOT / "scripts" / "build_kubernetes.py"
    )
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_the_lab_starts_what_the_script_builds() -> None:
    assert read_script().BINARIES == control_plane.BINARIES
