"""What SECURITY.md promises of the source: no file that is read can run code, and no name reaches a shell.

What it promises of the commands is in `tests/test_hostile.py`, and of stored bytes in `tests/store/test_damage.py` and
`tests/cli/test_flipped_bits.py`.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PYTHONPATH, ROOT

PACKAGES = ("benchmark", "methods", "backbones")
NEEDED = {
    "torch.load": ("weights_only", True),
    "numpy.load": ("allow_pickle", False),
    "numpy.save": ("allow_pickle", False),
    "numpy.savez": ("allow_pickle", False),
    "numpy.savez_compressed": ("allow_pickle", False),
    "numpy.lib.format.read_array": ("allow_pickle", False),
    "numpy.lib.format.write_array": ("allow_pickle", False),
}
"""Calls that read or write pickles unless they are told otherwise."""
FILTERED = ("extractall", "extract")
RUNS_CODE = {
    *(
        "pickle.load",
        "pickle.loads",
        "pickle.Unpickler",
        "pickle.dump",
        "pickle.dumps",
        "marshal.loads",
        "marshal.load",
    ),
    *("shelve.open", "joblib.load", "joblib.dump", "dill.load", "dill.loads", "cloudpickle.load", "cloudpickle.loads"),
    *("pandas.read_pickle", "yaml.load", "yaml.unsafe_load", "torch.hub.load", "torch.jit.load", "torch.package"),
    *("builtins.eval", "builtins.exec", "eval", "exec", "os.system", "os.popen", "subprocess.getoutput"),
    *("subprocess.getstatusoutput", "os.startfile", "code.interact", "runpy.run_path", "runpy.run_module"),
}
"""What runs code from what it reads, or hands a text to a shell."""
SUBPROCESS = ("run", "Popen", "call", "check_call", "check_output")
COMPILES = {"benchmark/plugin_files.py"}
"""Where source becomes a program: plugin files that somebody named."""
PLANTS = {
    *("scripts/_mutate/trial.py", "scripts/_hostile/arrays.py", "scripts/_hostile/weights.py"),
    *("scripts/_faults/grid.py", "scripts/_faults/processes.py"),
}
"""Faults are planted by executing changed source; hostile files hold what must never run; processes that a script has
forked tell it what they found."""


def sources() -> Iterator[Path]:
    yield ROOT / "noisybench.py"
    for package in (*PACKAGES, "scripts"):
        yield from sorted((ROOT / package).rglob("*.py"))
    yield from (path for path in sorted((ROOT / "scripts").iterdir()) if path.is_file() and _is_python(path))


def _is_python(path: Path) -> bool:
    return path.suffix != ".py" and "python" in path.read_bytes()[:40].decode("latin-1").partition("\n")[0]


def names_of(tree: ast.Module) -> dict[str, str]:
    """What each imported name of a module stands for: "np" -> "numpy", "load" -> "torch.load"."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {
                (alias.asname or alias.name.partition(".")[0]): alias.name for alias in node.names if alias.asname
            }
            names |= {top: top for alias in node.names if not alias.asname and (top := alias.name.partition(".")[0])}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    """The full name of `np.load` and the like; "" of what is no chain of names."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value, names)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def faults(source: str, place: str) -> list[str]:
    """Every call of `source` that could run what it reads, or that hands a text to a shell."""
    tree = ast.parse(source)
    names = names_of(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Name)) and dotted(node, names) in RUNS_CODE and place not in PLANTS:
            found.append(f"{place}:{node.lineno} {dotted(node, names)}")
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func, names)
        given = {key.arg: key.value for key in node.keywords}
        if name in NEEDED:
            argument, expected = NEEDED[name]
            value = given.get(argument)
            if not (isinstance(value, ast.Constant) and value.value is expected) and place not in PLANTS:
                found.append(f"{place}:{node.lineno} {name} without {argument}={expected}")
        if isinstance(node.func, ast.Attribute) and node.func.attr in FILTERED and not name.startswith("re."):
            value = given.get("filter")
            filtered = isinstance(value, ast.Constant) and value.value == "data"
            if not filtered and (value is not None or node.func.attr == "extractall"):
                found.append(f"{place}:{node.lineno} {node.func.attr} without filter='data'")
        if name.startswith("subprocess.") and name.partition(".")[2] in SUBPROCESS and "shell" in given:
            found.append(f"{place}:{node.lineno} {name} with a shell")
        if name in ("compile", "builtins.compile") and place not in COMPILES | PLANTS:
            found.append(f"{place}:{node.lineno} compile")
    return found


def test_no_file_that_is_read_can_run_code_and_no_name_reaches_a_shell():
    found = [fault for path in sources() for fault in faults(path.read_text(), path.relative_to(ROOT).as_posix())]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nnp.load('x')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "from numpy import load as read\nread('x')",
        "import torch\ntorch.load('x', map_location='cpu')",
        "import torch\nsafe = False\ntorch.load('x', weights_only=safe)",
        "import pickle as p\np.loads(b'')",
        "from pickle import loads\nreader = loads",
        "import pandas as pd\npd.read_pickle('x')",
        "eval('1')",
        "import os\nos.system('x')",
        "import subprocess\nsubprocess.run('x', shell=True)",
        "import tarfile\ntarfile.open('x').extractall('y')",
        "compile('1', 'x', 'eval')",
    ],
)
def test_every_kind_of_such_a_call_is_found(source):
    assert faults(source, "benchmark/any.py")


TRAP = '''"""A plugin that says that it ran."""
from pathlib import Path

from methods import Method

Path({canary!r}).touch()


class Trap(Method):
    """Runs when it is imported."""
'''


@pytest.fixture
def lying_around(tmp_path):
    """Files that whoever imports from the current folder would run, in every place where plugins are looked for."""
    canary = tmp_path / "ran"
    for name in (
        "trap.py",
        "ce.py",
        "sitecustomize.py",
        "methods/trap.py",
        "benchmark/__init__.py",
        "torch.py",
        "click.py",
    ):
        path = tmp_path / "here" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TRAP.format(canary=str(canary)))
    return tmp_path / "here", canary


def typed(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The console script in a process of its own, whose current folder is `folder`."""
    script = Path(sys.executable).with_name("noisybench")
    command = [str(script), *arguments] if script.exists() else [sys.executable, "-P", "-m", "noisybench", *arguments]
    environment = {**os.environ, "PYTHONPATH": PYTHONPATH, "HOME": str(folder)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


GRID = ("run", "-d", "digits", "-m", "ce", "-n", "none", "--seeds", "1", "--epochs", "1", "--subset", "40")


@pytest.mark.parametrize(
    "arguments", [("list", "methods"), ("list", "methods", "--plugin", "trap.py"), ("show", "method", "ce")]
)
def test_listing_runs_no_plugin_not_even_one_that_is_named(lying_around, arguments):
    folder, canary = lying_around
    done = typed(folder, *arguments)
    assert done.returncode == 0, done.stderr
    assert not canary.exists()


@pytest.mark.slow
def test_a_grid_runs_no_file_that_lies_around_and_one_that_is_named(lying_around):
    folder, canary = lying_around
    done = typed(folder, *GRID, "--no-table")
    assert done.returncode == 0, done.stderr
    assert not canary.exists()
    shown = typed(folder, "show", "method", "trap", "--plugin", "trap.py")
    assert shown.returncode == 0, shown.stderr
    assert canary.exists(), "a plugin that you name is code that runs"
