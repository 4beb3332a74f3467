"""noisybench uses its own packages, whatever others of their names are in its way."""

import os
import subprocess
import sys
import types

import pytest

import noisybench as entry
from tests.conftest import ROOT

STARTS = {
    "module": ["-m", "noisybench"],
    # What the console script does that pip writes.
    "console script": ["-P", "-c", "import sys; from noisybench import main; sys.exit(main())"],
}
FORMS = ("package", "namespace", "file")
FAILING = "raise RuntimeError('a foreign module was imported')\n"


def foreign(folder, name, form):
    """Another package called `name` in `folder`, which cannot be imported; a namespace package can, but is empty."""
    if form == "file":
        (folder / f"{name}.py").write_text(FAILING)
        return
    (folder / name).mkdir(parents=True)
    if form == "package":
        (folder / name / "__init__.py").write_text(FAILING)


@pytest.fixture
def start(tmp_path):
    def run(how, *arguments, path=(), code=0):
        done = subprocess.run(
            [sys.executable, *STARTS[how], *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*path, ROOT]))},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", ["PYTHONPATH", "the current folder"])
def test_foreign_packages_break_no_command(form, place, start, tmp_path):
    folder = tmp_path if place == "the current folder" else tmp_path / "elsewhere"
    folder.mkdir(exist_ok=True)
    for name in (*entry.PACKAGES, "tests", "scripts"):
        foreign(folder, name, form)
    path = [folder] if place == "PYTHONPATH" else []
    assert "gce" in start("console script", "list", "methods", path=path).stdout
    grid = ["-d", "digits", "-b", "cnn", "-m", "ce", "-n", "symmetric:0.2", "--seeds", "1", "--epochs", "1"]
    done = start("module", "run", *grid, path=path)  # worker processes import them too
    assert "1 ok" in done.stderr
    assert "| ce " in done.stdout


def test_modules_of_the_current_folder_do_not_reach_worker_processes(start, tmp_path):
    for name in ("random", "statistics", "torch", "benchmark"):
        (tmp_path / f"{name}.py").write_text(FAILING)
    grid = ["-d", "digits", "-b", "cnn", "-m", "ce", "-n", "symmetric:0.2", "--seeds", "1", "--epochs", "1"]
    assert "1 ok" in start("console script", "run", *grid, "--no-table").stderr


def test_the_old_way_to_start_it_goes_round_foreign_methods_and_backbones(noisybench, tmp_path):
    for name in ("methods", "backbones"):
        foreign(tmp_path, name, "package")
    assert "generalized" in noisybench("show", "method", "gce").stdout.lower()


@pytest.mark.parametrize("name", entry.PACKAGES)
def test_a_foreign_package_that_was_imported_before_is_named(name, monkeypatch, tmp_path):
    other = types.ModuleType(name)
    other.__file__ = str(tmp_path / f"{name}.py")
    monkeypatch.setitem(sys.modules, name, other)
    with pytest.raises(ImportError, match=f"another package '{name}' was imported .*{tmp_path}.*PYTHONPATH"):
        entry.check_packages()
    with pytest.raises(SystemExit, match="^error: another package"):
        entry.main()


def test_a_foreign_package_without_a_file_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "methods", types.ModuleType("methods"))
    with pytest.raises(ImportError, match="of no file"):
        entry.check_packages()
