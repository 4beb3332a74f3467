"""The structure that the project promises to its readers."""

import ast
import graphlib
import subprocess
import sys

import pytest

from benchmark.registry import ALL
from scripts.draw_rooms import GROUND, OUTSIDE, closure, draw, files, imported, room, room_imports
from tests.conftest import ROOT

MAY_IMPORT = {
    GROUND: set(),
    "store": {GROUND},
    "grid": {"store"},
    "datasets": {"store"},
    "noise": {"store"},
    "tables": {"store"},
    "training": {"grid"},
    "runs": {"training", "datasets", "noise", "grid"},
    "checks": {"runs"},
    "labels": {"runs", "tables"},
    "report": {"tables"},
    "cli": {"checks", "labels", "runs", "report"},
}
"""From the ground up: the rooms that a room may import from, and with each of them all that lies below it."""

KNOWS = {
    "methods": {"methods", "backbones"},
    "backbones": {"backbones"},
    "benchmark": {"benchmark", "methods.base", "backbones.base", "backbones.settings"},
}
"""What a package may import of the three."""

STILL_ALLOWED: set[tuple[str, str]] = {
    # (file, room that it imports from against the direction)
    ("benchmark/checks/speed/ratios.py", "tables"),  # times the making of a table
}


def modules(package):
    """Dotted name -> file of every module below the folder `package`."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def against_the_direction():
    allowed = closure(MAY_IMPORT)
    return {
        (path.relative_to(ROOT).as_posix(), target)
        for name, path in files()
        if name not in OUTSIDE
        for target in {room(module) for _, module in imported(path)} - {None, name, *OUTSIDE}
        if target not in allowed[name]
    }


def test_every_room_has_its_place():
    assert {name for name, _ in files()} == {*MAY_IMPORT, *OUTSIDE}
    seen: set[str] = set()
    for name, targets in MAY_IMPORT.items():
        assert targets <= seen, f"{name} may import {targets - seen}, which stand above it"
        seen.add(name)


def test_rooms_import_only_from_rooms_below_them():
    """Imports inside functions count: they hide a circle, they do not undo it."""
    faults = against_the_direction()
    assert faults <= STILL_ALLOWED, f"imported from a room that is not below: {sorted(faults - STILL_ALLOWED)}"


def test_the_list_of_exceptions_holds_no_mended_one():
    mended = STILL_ALLOWED - against_the_direction()
    assert not mended, f"remove from STILL_ALLOWED: {sorted(mended)}"


@pytest.mark.parametrize("package", KNOWS)
def test_instrument_and_what_it_measures_know_each_other_by_their_bases_only(package):
    for path in modules(package).values():
        for line, module in imported(path):
            first = module.split(".")[0]
            if first in KNOWS:
                assert {first, module} & KNOWS[package], f"{path}:{line} imports {module}"


def test_no_modules_import_each_other_in_a_circle():
    paths = modules("benchmark")
    needs = {
        name: {
            target
            for node in ast.walk(ast.parse(path.read_text()))
            for target in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                # `from benchmark.grid import suite` takes the module, `from benchmark.grid.suite import load` a name.
                else [*(f"{node.module}.{alias.name}" for alias in node.names), node.module]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            if target in paths and target != name
        }
        for name, path in paths.items()
    }
    assert tuple(graphlib.TopologicalSorter(needs).static_order())


MAY_NAME_PLUGINS = {"cli", "checks"}
"""Help texts give examples, and checks run on small plugins."""

ALSO_A_PLUGIN = {
    "mae": "mean absolute error, a metric",
    "none": "no option, no suite; and the clean labels, which every comparison has",
    "cnn": "the default backbone of a suite and of the clean classifier",
    "confusion": "the confusion matrix of an outcome",
    "cores": "processor cores",
    "file": "a file",
    "given": "label vectors that come with a data set",
    "raters": "people who have labeled the same images",
    "timm": "the package",
    "transition": "the matrix T",
}
"""Words of the engine that are names of plugins too."""


def engine():
    """All files of the engine: what works with any plugin, and so must name none."""
    plugin_files = {entry.path for registry in ALL for entry in registry.entries()}
    return [path for name, path in files() if name not in {*OUTSIDE, *MAY_NAME_PLUGINS} and path not in plugin_files]


def test_no_plugin_is_named_inside_the_engine():
    names = {entry.name for registry in ALL for entry in registry.entries()}
    assert ALSO_A_PLUGIN.keys() <= names, f"no plugin any more: {ALSO_A_PLUGIN.keys() - names}"
    for path in engine():
        constants = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
        named = [node for node in constants if node.value in names - ALSO_A_PLUGIN.keys()]
        assert not named, [f"{path.relative_to(ROOT)}:{node.lineno} {node.value!r}" for node in named]


def test_the_picture_of_the_rooms_shows_them_all():
    graph = room_imports()
    picture = draw(graph)
    assert all(f">{name}</text>" in picture for name in {*MAY_IMPORT, *OUTSIDE})
    assert "tables" in graph["report"]


def test_modules_stay_under_400_lines():
    for package in ("benchmark", "methods", "backbones"):
        for path in ROOT.glob(f"{package}/**/*.py"):
            assert len(path.read_text().splitlines()) <= 400, path


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list", "methods"], ["list", "datasets"], ["list", "noise"], ["plot", "--help"]]
)
def test_help_and_list_import_no_torch(arguments):
    script = (
        "import sys; sys.argv[1:] = " + repr(arguments) + "\n"
        "from benchmark.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as e:\n    assert not e.code, e.code\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'scipy', 'timm', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_plugin_can_be_read_and_has_a_summary():
    for registry in ALL:
        for entry in registry.entries():
            assert not entry.broken, entry
            assert entry.summary, f"{entry.origin} has no docstring"


def test_the_repository_stays_under_60_mib():
    """Published records may take 22 MB (`tests/report/test_published.py`), their tables and CSV about as much."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in tracked.stdout.split("\0") if name]
    assert sum(path.stat().st_size for path in files if path.is_file()) < 60 * 2**20
