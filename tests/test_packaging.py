"""What gets installed: the manifest, the wheel's contents, the declared dependencies, the rules about imports."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "napari_adasam"
LARGEST_MODEL = 22 * 1024 * 1024
# Declared for others: loaded by pydicom as a plugin; imported by segment_anything, which does not declare it.
NOT_IMPORTED = {"pylibjpeg", "torchvision"}


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, from the repository's root."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return settings


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    built = python("-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder))
    assert built.returncode == 0, built.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_napari_takes_the_manifest() -> None:
    checked = python("-W", "ignore", "-m", "npe2", "validate", "napari-adasam")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_contribution_of_the_manifest_is_there() -> None:
    code = (
        "from importlib import import_module\n"
        "from npe2 import PluginManifest\n"
        "manifest = PluginManifest.from_distribution('napari-adasam')\n"
        "offered = manifest.contributions\n"
        "assert offered.widgets and offered.readers and offered.sample_data\n"
        "for command in offered.commands:\n"
        "    module, name = command.python_name.split(':')\n"
        "    assert callable(getattr(import_module(module), name)), command.python_name\n"
    )
    checked = python("-W", "ignore", "-c", code)
    assert checked.returncode == 0, checked.stderr


def test_napari_finds_the_plugin_without_importing_torch() -> None:
    checked = python("-W", "ignore", "-c", "import napari_adasam.ui.dock, sys; sys.exit('torch' in sys.modules)")
    assert checked.returncode == 0, checked.stderr


def test_the_wheel_holds_code_manifest_and_types(wheel: zipfile.ZipFile) -> None:
    held = set(wheel.namelist())
    code = {str(path.relative_to(ROOT / "src")) for path in PACKAGE.rglob("*.py")}
    assert code <= held
    assert {"napari_adasam/napari.yaml", "napari_adasam/py.typed"} <= held
    assert not [name for name in held if name.startswith("tests")]
    for name in ("LICENSE", "THIRD-PARTY.md"):
        assert [one for one in held if one.endswith(f"licenses/{name}")]


def test_the_wheel_holds_the_bundled_model_with_its_card(wheel: zipfile.ZipFile) -> None:
    held = {name: wheel.getinfo(name).file_size for name in wheel.namelist()}
    assert held.get("napari_adasam/weights/adasam-us.safetensors", 0) > 0
    assert held["napari_adasam/weights/adasam-us.safetensors"] <= LARGEST_MODEL
    assert [name for name in held if name.startswith("napari_adasam/weights/") and name.endswith(".md")]


def test_no_qt_binding_is_forced_on_anybody(project: dict[str, Any]) -> None:
    base = " ".join(project["project"]["dependencies"])
    assert not re.search(r"pyqt|pyside|napari\[", base, re.IGNORECASE)
    assert "PySide6" in " ".join(project["project"]["optional-dependencies"]["all"])


def test_dependencies_are_what_is_imported(project: dict[str, Any]) -> None:
    declared = {re.match(r"[\w-]+", one)[0].lower() for one in project["project"]["dependencies"]}  # type: ignore[index]
    owners = metadata.packages_distributions()
    used = {
        owners[name][0].lower()
        for name in imported_names()
        if name not in sys.stdlib_module_names and name != "napari_adasam"
    }
    extra = {re.match(r"[\w-]+", one)[0].lower() for one in project["project"]["optional-dependencies"]["dicom-seg"]}  # type: ignore[index]
    assert used - declared == extra
    assert declared - used == NOT_IMPORTED


def imported_names() -> set[str]:
    """First names of everything that the package imports, lazily or not."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found


def test_folders_import_only_what_they_may() -> None:
    checked = python("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-logo")
    assert checked.returncode == 0, checked.stdout
    assert "0 broken" in checked.stdout


def test_files_and_functions_stay_short() -> None:
    too_long = []
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) > 300:
            too_long.append(path.name)
        functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))
        too_long += [f"{path.name}:{one.name}" for one in functions if lines_of_code(one) > 40]
    assert too_long == []


def lines_of_code(function: ast.FunctionDef) -> int:
    """Lines of a function from its ``def`` on, without its docstring."""
    first = function.body[0]
    words = (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(function) else 0
    return (function.end_lineno or 0) - function.lineno + 1 - words
