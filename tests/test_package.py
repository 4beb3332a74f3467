"""The wheel holds what it must, and the README's example is a working plugin."""

import re
import subprocess
import sys
import zipfile

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_holds_packages_suites_maps_and_templates(wheel):
    names = set(wheel.namelist())
    assert {
        "benchmark/grid/suites/quick.toml",
        "benchmark/noise/maps.json",
        "benchmark/cli/templates/method.py.txt",
        "methods/ce.py",
        "backbones/cnn.py",
        *(f"{package}/py.typed" for package in ("benchmark", "methods", "backbones")),
    } <= names
    assert not any(name.startswith(("tests/", "results/", "scripts/", "docs/")) for name in names)
    metadata = next(name for name in names if name.endswith("METADATA"))
    text = wheel.read(metadata).decode()
    assert "License-Expression: Apache-2.0" in text
    assert "Provides-Extra: offline-weights" in text


def test_the_readmes_plugin_keeps_every_promise_and_runs(noisybench, tmp_path):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL).group(1)
    (tmp_path / "mine.py").write_text(code)
    assert "all promises kept" in noisybench("check", "./mine.py").stdout
    done = noisybench(
        "run", "-d", "digits", "-m", "ce", "-m", "mine", "-n", "symmetric:0.4", "--seeds", "1", "--epochs", "2",
        "--plugin", "mine.py",
    )  # fmt: skip
    assert re.search(r"^\| mine +\|", done.stdout, re.MULTILINE)


def test_the_skeleton_of_a_new_method_keeps_every_promise_and_its_test_passes(noisybench, tmp_path):
    noisybench("new", "method", "fresh_idea", "--to", str(tmp_path))
    assert "all promises kept" in noisybench("check", str(tmp_path / "fresh_idea.py")).stdout
    test = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "test_fresh_idea.py")]
    done = subprocess.run(test, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_name_that_is_taken_or_no_name_is_refused(noisybench):
    assert "already" in noisybench("new", "method", "gce", code=2).stderr
    assert "lower_case" in noisybench("new", "method", "My-Idea", code=2).stderr
