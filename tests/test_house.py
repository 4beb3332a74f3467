"""The structure that the project promises to its readers."""

import ast
import graphlib
import subprocess
import sys

import pytest

from benchmark.registry import ALL, DATASETS, METHODS
from tests.conftest import ROOT

ENGINE = (
    "training/trainer",
    "runs/worker",
    "store/store",
    "tables/comparison",
    "training/kit",
    "training/train_set",
    "model_selection",
    "metrics",
    "tables/frame",
)
MAY_IMPORT = {
    "methods": {"methods", "backbones"},
    "backbones": {"backbones"},
}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_what_is_measured_never_imports_the_instrument(package):
    houses = {"benchmark", "methods", "backbones"}
    for path in ROOT.glob(f"{package}/**/*.py"):
        found = {name.split(".")[0] for name in imports(path)} & houses
        assert found <= MAY_IMPORT[package], f"{path} imports {found}"


def test_the_engine_knows_methods_and_backbones_by_their_base_only():
    for path in ROOT.glob("benchmark/**/*.py"):
        for name in imports(path):
            if name.split(".")[0] in ("methods", "backbones"):
                assert name in ("methods.base", "backbones.base", "backbones.settings"), f"{path} imports {name}"


def test_no_modules_import_each_other_in_a_circle():
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in ROOT.glob("benchmark/**/*.py")
    }
    needs = {
        name: {
            found
            for node in ast.walk(ast.parse(path.read_text()))
            for alias in node.names
            # `from benchmark.grid import suite` takes the module, `from benchmark.grid.suite import load` a name.
            for found in (f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in paths else node.module,)
            if found in paths
        }
        for name, path in paths.items()
    }
    assert tuple(graphlib.TopologicalSorter(needs).static_order())


def test_no_plugin_is_named_inside_the_engine():
    names = {entry.name for registry in (METHODS, DATASETS) for entry in registry.entries()}
    for module in ENGINE:
        tree = ast.parse((ROOT / "benchmark" / f"{module}.py").read_text())
        constants = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        assert not constants & names, f"{module} names {constants & names}"


def test_modules_stay_under_400_lines():
    for package in ("benchmark", "methods", "backbones"):
        for path in ROOT.glob(f"{package}/**/*.py"):
            assert len(path.read_text().splitlines()) <= 400, path


@pytest.mark.parametrize("arguments", [["--help"], ["list", "methods"], ["list", "datasets"], ["list", "noise"]])
def test_help_and_list_import_no_torch(arguments):
    script = (
        "import sys; sys.argv[1:] = " + repr(arguments) + "\n"
        "from benchmark.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as e:\n    assert not e.code, e.code\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'scipy', 'timm'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_plugin_can_be_read_and_has_a_summary():
    for registry in ALL:
        for entry in registry.entries():
            assert not entry.broken, entry
            assert entry.summary, f"{entry.origin} has no docstring"


def test_the_repository_stays_under_20_mib():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in tracked.stdout.split("\0") if name]
    assert sum(path.stat().st_size for path in files if path.is_file()) < 20 * 2**20
