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
        "noisybench.py",
        "methods/ce.py",
        "backbones/cnn.py",
        *(f"{package}/py.typed" for package in ("benchmark", "methods", "backbones")),
    } <= names
    assert not any(name.startswith(("tests/", "results/", "scripts/", "docs/")) for name in names)
    metadata = next(name for name in names if name.endswith("METADATA"))
    text = wheel.read(metadata).decode()
    assert "License-Expression: Apache-2.0" in text
    assert "Provides-Extra: offline-weights" in text


def test_the_readmes_plugin_keeps_every_promise_and_runs(here, tmp_path):
    code = re.search(r'```python\n(""".*?)```', (ROOT / "README.md").read_text(), re.DOTALL).group(1)
    (tmp_path / "mine.py").write_text(code)
    assert "all promises kept" in here("check", "./mine.py").stdout
    done = here(
        "run", "-d", "digits", "-m", "ce", "-m", "mine", "-n", "symmetric:0.4", "--seeds", "1", "--epochs", "2",
        "--plugin", "mine.py",
    )  # fmt: skip
    assert re.search(r"^\| mine +\|", done.stdout, re.MULTILINE)
