"""A method in a package of its own is found, checked and run once the package is installed."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import orjson
import pytest

from benchmark.store.digests import digest
from tests.conftest import ROOT

PACKAGE = Path(__file__).parent / "example_package"
METHOD = "example_flooding"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A fresh environment with the example package, over the libraries of the one that runs the tests."""
    folder = tmp_path_factory.mktemp("environment")
    shutil.copytree(PACKAGE, folder / "source")  # pip builds in the folder that it is given
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", folder, folder / "source")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    libraries, own = (sysconfig.get_path("purelib", vars=vars) for vars in (None, {"base": str(folder / "venv")}))
    (Path(own) / "libraries.pth").write_text(f"import site; site.addsitedir({libraries!r})\n")
    pip("--python", python, "install", "--no-deps", "--no-index", next(folder.glob("*.whl")))
    return folder, python


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def run(environment, *arguments):
    folder, python = environment
    done = subprocess.run(
        [python, "-m", "benchmark.cli.main", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_installed_packages_method_is_listed_checked_and_run_beside_the_others(environment):
    assert re.search(rf"^{METHOD}\b.*noisybench-example", run(environment, "list", "methods"), re.MULTILINE)
    assert "all promises kept" in run(environment, "check", METHOD)
    table = run(
        environment, "run", "-d", "digits", "-m", "ce", "-m", METHOD, "-n", "symmetric:0.4", "--seeds", "1",
        "--epochs", "2",
    )  # fmt: skip
    assert re.search(rf"^\| {METHOD} +\|", table, re.MULTILINE)
    records = [orjson.loads(path.read_bytes()) for path in environment[0].glob("results/runs/**/*.json")]
    outside = {record["spec"]["method"]["name"]: record["spec"]["method"]["source"] for record in records}
    assert outside["ce"] is None
    assert outside[METHOD] == digest(PACKAGE / "noisybench_example" / "flooding.py")


def test_a_package_that_is_not_installed_leaves_no_method_behind(noisybench):
    assert METHOD not in noisybench("list", "methods").stdout
