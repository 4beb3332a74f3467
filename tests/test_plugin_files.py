"""A plugin is its file and the files that it imports from its folder: all of them count, and only they are seen."""

import os
import subprocess
import sys
import time

import pytest

from benchmark import plugin_files
from benchmark.plugin_files import SourceChangedError
from benchmark.registry import METHODS, RegistryError, add_plugin_file
from benchmark.store.store import Store
from tests.conftest import ROOT


def write(folder, **files):
    for name, code in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    return folder


METHOD = "from methods import Method\nclass Mine(Method):\n    x = {}\n"
"""A method whose attribute x shows what was imported."""

IMPORTS = {
    "a module": ("import helpers\n" + METHOD.format("helpers.X"), "helpers"),
    "a name": ("from helpers import X as V\n" + METHOD.format("V"), "helpers"),
    "a private module": ("import _private\n" + METHOD.format("_private.X"), "_private"),
    "a package": ("from pack.inner import X\n" + METHOD.format("X"), "pack__inner"),
    "a package by its dotted name": ("import pack.inner\n" + METHOD.format("pack.inner.X"), "pack__inner"),
    "a dotted name under another": ("import pack.inner as p\n" + METHOD.format("p.X"), "pack__inner"),
    "a module of a package": ("from pack import inner\n" + METHOD.format("inner.X"), "pack__inner"),
    "a folder without __init__": ("from bare.inner import X\n" + METHOD.format("X"), "bare__inner"),
    "a relative name": ("from .helpers import X\n" + METHOD.format("X"), "helpers"),
    "a helper's helper": ("from second import X\n" + METHOD.format("X"), "helpers"),
    "a helper's relative helper": ("from pack.third import X\n" + METHOD.format("X"), "pack__inner"),
}


def folder_with(tmp_path, code, value=1):
    return write(
        tmp_path,
        mine=code,
        helpers=f"X = {value}\n",
        _private=f"X = {value}\n",
        pack____init__="",
        pack__inner=f"X = {value}\n",
        pack__third="from .inner import X\n",
        bare__inner=f"X = {value}\n",
        second="import helpers\nX = helpers.X\n",
        unrelated="X = 0\n",
    )


@pytest.mark.parametrize("kind", IMPORTS)
def test_what_lies_beside_a_plugin_can_be_imported_and_counts(kind, tmp_path):
    code, helper = IMPORTS[kind]
    add_plugin_file(folder_with(tmp_path, code) / "mine.py")
    before = dict(os.environ), list(sys.path)
    assert METHODS.load("mine").x == 1
    assert (dict(os.environ), sys.path) == before
    assert not {"helpers", "_private", "pack", "bare", "second"} & sys.modules.keys()
    sources = METHODS.sources("mine")
    assert next(iter(sources)) == str(tmp_path / "mine.py")
    assert str(tmp_path / f"{helper.replace('__', '/')}.py") in sources
    assert str(tmp_path / "unrelated.py") not in sources

    changed = folder_with(tmp_path / "copy", code)
    add_plugin_file(tmp_path / "mine.py")
    METHODS._added.clear()
    add_plugin_file(changed / "mine.py")
    assert plugin_files.digest(METHODS.sources("mine")) == plugin_files.digest(sources), "a moved plugin is the same"
    (changed / f"{helper.replace('__', '/')}.py").write_text("X = 2\n")
    add_plugin_file(changed / "mine.py")
    assert METHODS.load("mine").x == 2
    assert plugin_files.digest(METHODS.sources("mine")) != plugin_files.digest(sources)


def test_equally_named_helpers_of_two_folders_do_not_mix(tmp_path):
    for value in (1, 2):
        code = f"import helpers\nfrom methods import Method\nclass Mine{value}(Method):\n    x = helpers.X\n"
        write(tmp_path / str(value), **{f"mine{value}": code, "helpers": f"X = {value}\n"})
        add_plugin_file(tmp_path / str(value) / f"mine{value}.py")
    assert (METHODS.load("mine1").x, METHODS.load("mine2").x) == (1, 2)


def test_a_function_that_imports_late_finds_its_helper(tmp_path):
    code = METHOD.format(0) + "    @staticmethod\n    def late():\n        import helpers\n        return helpers.X\n"
    add_plugin_file(folder_with(tmp_path, code) / "mine.py")
    assert METHODS.load("mine").late() == 1
    assert str(tmp_path / "helpers.py") in METHODS.sources("mine")


def test_names_beside_a_plugin_shadow_nothing_outside_of_it(tmp_path):
    code = "import json, mine\n" + METHOD.format("json.X")
    write(tmp_path, mine=code, json="X = 1\n", methods="raise AssertionError\n", torch="raise AssertionError\n")
    add_plugin_file(tmp_path / "mine.py")
    with pytest.raises(RegistryError, match="No module named 'mine'"):  # a file that imports its own name means another
        METHODS.load("mine")
    write(tmp_path, mine=code.replace(", mine", ""))
    add_plugin_file(tmp_path / "mine.py")
    assert METHODS.load("mine").x == 1
    import json

    assert json.loads("1") == 1


def test_a_base_in_another_outside_file_counts(tmp_path, monkeypatch):
    write(tmp_path / "lib", outside_base="from methods import Method\nclass Base(Method):\n    x = 1\n")
    write(tmp_path / "own", mine="from outside_base import Base\nclass Mine(Base):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path / "lib")
    add_plugin_file(tmp_path / "own" / "mine.py")
    assert METHODS.load("mine").x == 1
    assert str(tmp_path / "lib" / "outside_base.py") in METHODS.sources("mine")
    del sys.modules["outside_base"]


def test_the_files_of_a_plugin_of_the_tree_are_its_own_and_the_shared_ones_of_its_folder():
    names = {os.path.relpath(file, ROOT) for file in METHODS.sources("gce")}
    assert {"methods/gce.py", "methods/base.py", "methods/_losses.py"} <= names
    assert all(name.startswith("methods/") for name in names)
    assert "methods/dividemix.py" not in names


def test_a_changed_file_is_refused_and_one_that_was_imported_before_its_change_is_not(tmp_path):
    add_plugin_file(folder_with(tmp_path, IMPORTS["a name"][0]) / "mine.py")
    METHODS.load("mine")
    sources = METHODS.sources("mine")
    (tmp_path / "helpers.py").write_text("X = 2\n")
    plugin_files.check(sources)  # the bytes that were imported are the right ones
    plugin_files.forget_changed(tmp_path / "mine.py")
    with pytest.raises(SourceChangedError, match=r"helpers\.py has changed since the grid was started"):
        plugin_files.check(sources)
    (tmp_path / "helpers.py").unlink()
    with pytest.raises(SourceChangedError, match="put the former file back, or start the grid anew"):
        plugin_files.check(sources)


def test_two_plugin_files_of_one_name_are_two_methods_of_one_grid(tmp_path, here):
    """Their rows are told apart, and a run of either is the run that it is in a grid of its own."""
    for value, folder in ((1, "a"), (2, "b")):
        code = f"import helpers\nfrom methods.gce import GCE\nclass Mine(GCE):\n    x = {value}\n"
        write(tmp_path / folder, mine=code, helpers="")
    grid = ["run", "-d", "digits", "-n", "none", "--seeds", "1", "--epochs", "1", "-m", "ce"]
    both = ["--plugin", "a/mine.py", "--plugin", "b/mine.py"]
    refused = here(*grid, "-m", "mine", *both, "--dry-run", code=2).stderr
    assert "there are 2 methods 'mine'; expected one of a/mine, b/mine" in refused
    done = here(*grid, "-m", "a/mine", "-m", "b/mine", *both)
    assert done.stdout.count("| mine@") >= 2
    alone = here(*grid, "-m", "mine", "--plugin", "b/mine.py")
    assert "2 runs, 2 already done" in alone.stderr
    sources = {record["spec"]["method"]["source"] for record in recorded(tmp_path)}
    assert len(sources) == 3, "of ce, which has none, and of both files"


SLOW = """
import pathlib, time
from helpers import SIGN
from methods import Method
class Mine(Method):
    def build(self):
        super().build()
        pathlib.Path({marker!r}).touch()
        while not pathlib.Path({go!r}).exists():
            time.sleep(.02)
    def loss(self, logits, batch):
        return SIGN * super().loss(logits, batch)
"""


def recorded(folder):
    return Store(folder / "results").records().records


@pytest.mark.slow
@pytest.mark.parametrize("edited", ["mine.py", "helpers.py"])
def test_no_number_of_a_plugin_that_was_edited_while_its_grid_ran_is_stored(tmp_path, here, edited):
    """The first run has imported the former code: its record is right. The second run must refuse the new code."""
    code = SLOW.format(marker=str(tmp_path / "started"), go=str(tmp_path / "go"))
    write(tmp_path, mine=code, helpers="SIGN = 1\n")
    grid = ["run", "-d", "digits", "-m", "mine", "-n", "none", "--seeds", "2", "--epochs", "1", "--subset", "60"]
    command = [sys.executable, "-m", "benchmark.cli.main", *grid, "--slots", "1", "--plugin", "mine.py", "--no-table"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    running = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "started").exists():
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    path = tmp_path / edited
    path.write_text(path.read_text().replace("SIGN = 1", "SIGN = -1").replace("return SIGN *", "return -1 *"))
    (tmp_path / "go").touch()
    _, said = running.communicate(timeout=120)
    assert running.returncode == 1
    assert f"{edited} has changed since the grid was started" in said
    (first,) = recorded(tmp_path)
    assert first["provenance"]["method_digest"] == first["spec"]["method"]["source"]
    again = here(*grid, "--plugin", "mine.py", "--no-table")
    assert "2 runs, 0 already done" in again.stderr
    sources = [record["spec"]["method"]["source"] for record in recorded(tmp_path)]
    assert len(set(sources)) == 2
    assert sources.count(first["spec"]["method"]["source"]) == 1
