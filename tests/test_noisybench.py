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
GRID = (
    "-d", "digits", "-b", "cnn", "-m", "ce", "-n", "symmetric:0.2", "--seeds", "1", "--epochs", "1", "--subset", "60",
)  # fmt: skip
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


@pytest.fixture
def in_the_way(tmp_path):
    """Puts foreign packages, name -> form, into the current folder and into another one; returns the other one."""

    def make(forms):
        for folder in (tmp_path, tmp_path / "elsewhere"):
            folder.mkdir(exist_ok=True)
            for name, form in forms.items():
                foreign(folder, name, form)
        return tmp_path / "elsewhere"

    return make


@pytest.mark.parametrize("form", FORMS)
def test_foreign_packages_on_the_path_and_in_the_current_folder_break_no_command(form, start, in_the_way):
    elsewhere = in_the_way(dict.fromkeys((*entry.PACKAGES, "tests", "scripts"), form))
    assert "gce" in start("console script", "list", "methods", path=[elsewhere]).stdout


@pytest.mark.slow
def test_foreign_packages_do_not_reach_worker_processes(start, in_the_way):
    elsewhere = in_the_way(dict(zip(entry.PACKAGES, FORMS, strict=True)) | {"tests": "package", "scripts": "file"})
    done = start("module", "run", *GRID, path=[elsewhere])
    assert "1 ok" in done.stderr
    assert "| ce " in done.stdout


@pytest.mark.slow
def test_modules_of_the_current_folder_do_not_reach_worker_processes(start, tmp_path):
    for name in ("random", "statistics", "torch", "benchmark"):
        (tmp_path / f"{name}.py").write_text(FAILING)
    assert "1 ok" in start("console script", "run", *GRID, "--no-table").stderr


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
