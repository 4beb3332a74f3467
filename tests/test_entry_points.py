"""The example package: its four plugins are found, checked and run once it is installed."""

import os
import re
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import orjson
import pytest
import torch

from benchmark.checks import backbones, datasets
from benchmark.checks.lab import Lab
from benchmark.noise.base import Split
from benchmark.registry import ALL, NOISE, Registry, add_plugin_file
from benchmark.store.digests import digest
from methods import Batch
from tests.conftest import ROOT, command_line

EXAMPLES = ROOT / "examples"
PLUGINS = {"method": "flooding", "backbone": "lenet5", "dataset": "shapes", "noise": "fatigue"}
BROKEN = {
    "stops": "print('imported')\nraise RuntimeError('no licence')",
    "leaves": "import sys\nsys.exit('bye')",
    "needs": "import a_package_that_is_not_installed",
    "garbled": "class Mine(Method:",
    "other": "class Plugin:\n    pass",
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A folder in which the example package is installed, and one whose plugins are all broken."""
    folder = tmp_path_factory.mktemp("packages")
    shutil.copytree(EXAMPLES, folder / "source")  # pip builds in the folder that it is given
    broken = folder / "broken"
    (broken / "broken_plugins").mkdir(parents=True)
    (broken / "broken_plugins" / "__init__.py").touch()
    for name, code in BROKEN.items():
        (broken / "broken_plugins" / f"{name}.py").write_text(code)
    points = "\n".join(f'{name} = "broken_plugins.{name}:Plugin"' for name in BROKEN)
    (broken / "pyproject.toml").write_text(
        '[project]\nname = "broken-plugins"\nversion = "1"\n'
        f'[project.entry-points."noisybench.methods"]\n{points}\n'
        'absent = "broken_plugins.absent:Plugin"\nclassless = "broken_plugins.other"\n'
        'gce = "broken_plugins.other:Plugin"\n'
        '[tool.setuptools]\npackages = ["broken_plugins"]\n'
    )
    for source in ("source", "broken"):
        pip("install", "--no-deps", "--no-build-isolation", "--target", folder / f"{source}-installed", folder / source)
    return folder


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(packages):
    """Runs the command line where the example package (or the broken one) is installed."""

    def run(*arguments, code=0, package="source"):
        done = subprocess.run(
            [sys.executable, "-m", "benchmark.cli.main", *map(str, arguments)],
            cwd=packages,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(packages / f"{package}-installed")])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if not code else done.stderr

    return run


@pytest.fixture
def inside(packages, monkeypatch):
    """As `installed`, in this process: for commands that start no worker."""

    def run(*arguments, code=0, package="source"):
        for registry in ALL:
            registry.entries()  # those without the package, which monkeypatch puts back
        monkeypatch.syspath_prepend(packages / f"{package}-installed")
        for registry in ALL:
            anew: Registry[Any] = Registry(registry.kind, registry.package, registry.base, registry.base_module)
            monkeypatch.setattr(registry, "_builtin", anew._builtin)
        done = command_line(packages, *arguments, code=code)
        return done.stdout if not code else done.stderr

    return run


def test_the_examples_are_listed_with_what_they_declare(installed):
    row = next(row for row in installed("list", "methods").splitlines() if row.startswith("flooding "))
    assert re.fullmatch(
        r"flooding +regularization +1x +1 +closed form +paper form +not run +"
        r"Flooding \(Ishida et al., ICML 2020\) \[noisybench-examples\]",
        row,
    )
    for kind, plugin in (("backbones", "lenet5"), ("datasets", "shapes"), ("noise", "fatigue")):
        assert re.search(rf"^{plugin} +1 +.*\[noisybench-examples\]$", installed("list", kind), re.MULTILINE)


@pytest.fixture(scope="module")
def listed_broken(installed):
    return installed("list", "methods", package="broken")


def test_listing_shows_installed_plugins_that_are_broken_and_imports_none_of_them(listed_broken):
    names = {line.split()[0] for line in listed_broken.splitlines()}
    assert {*BROKEN, "absent", "classless", "gce", "ce"} <= names
    assert "imported" not in listed_broken


@pytest.mark.parametrize("kind", PLUGINS)
def test_every_example_keeps_its_promises(inside, kind):
    assert "all promises kept" in inside("check", PLUGINS[kind])


@pytest.mark.slow
def test_the_four_examples_run_together_beside_the_built_in_ones(installed, packages):
    table = installed(
        "run", "-d", "shapes:per_class=30", "-b", "lenet5", "-m", "ce", "-m", "flooding", "-n", "fatigue:0.4",
        "--seeds", "1", "--epochs", "2",
    )  # fmt: skip
    assert re.search(r"^\| flooding +\|", table, re.MULTILINE)
    records = [orjson.loads(path.read_bytes()) for path in packages.glob("results/runs/**/*.json")]
    assert len(records) == 2
    for record in records:
        for part, name in PLUGINS.items():
            if record["spec"][part]["name"] == name:
                assert record["spec"][part]["source"] == digest(EXAMPLES / "noisybench_examples" / f"{name}.py")
    assert {record["spec"]["method"]["name"]: record["spec"]["method"]["source"] for record in records}["ce"] is None


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("stops", "RuntimeError: no licence; mend or reinstall the package broken-plugins"),
        ("leaves", "SystemExit: bye"),
        ("needs", "No module named 'a_package_that_is_not_installed'"),
        ("garbled", "cannot be used: line 1"),
        ("other", "Plugin is not a subclass of Method"),
        ("absent", "No module named 'broken_plugins.absent'"),
        ("classless", "names no class; expected"),
        ("gce", "registered twice, in methods/gce.py:"),
    ],
)
def test_an_entry_point_that_cannot_be_used_is_told_in_one_sentence(inside, name, told):
    (error,) = inside("check", name, code=2, package="broken").splitlines()
    assert told in error


@pytest.mark.slow
def test_broken_entry_points_block_nobody_but_their_users(installed, inside):
    suite = (
        "run", "-d", "digits", "-n", "none", "--seeds", "1", "--epochs", "1", "--subset", "60",
        "--results", "beside-broken",
    )  # fmt: skip
    assert "| ce " in installed(*suite, "-m", "ce", package="broken")
    assert "RuntimeError: no licence; mend" in inside(*suite, "-m", "ce", "-m", "stops", code=2, package="broken")


def test_a_package_that_is_not_installed_leaves_no_plugin_behind(noisybench):
    assert "flooding" not in noisybench("list", "methods").stdout


def example(kind):
    """The plugin of that kind from its file, by name."""
    name = PLUGINS[kind]
    add_plugin_file(EXAMPLES / "noisybench_examples" / f"{name}.py")
    return name


def test_flooding_turns_the_gradient_below_its_level():
    method = Lab(example("method"), {"level": 1.0}).instance
    batch = Batch(x=torch.zeros(1, 1, 1, 8, 8), y=torch.tensor([0]), index=torch.tensor([0]))
    for margin, sign in ((5.0, 1), (-5.0, -1)):  # CE of .007 and of 5.007
        logits = torch.tensor([[margin, 0.0]], requires_grad=True)
        loss = method.loss(logits, batch)
        plain = torch.nn.functional.cross_entropy(logits, batch.y)
        assert loss.item() == pytest.approx(1 + abs(plain.item() - 1), rel=1e-6)
        loss.backward()
        assert float(logits.grad[0, 0]) * sign > 0


def test_lenet5_has_the_parameters_of_its_layers():
    network = backbones.make(example("backbone"), {}, channels=1, size=28)
    head = 5 * 85  # five classes in the checks
    layers = [6 * 26, 16 * (6 * 25 + 1), 120 * 401, 84 * 121, head]
    assert sum(parameter.numel() for parameter in network.parameters()) == sum(layers)


def test_shapes_are_told_apart_by_their_pixels():
    data = datasets.make(example("dataset"), {"per_class": 100}).load()
    assert data.val is not None
    assert (len(data.train), len(data.val), len(data.test)) == (240, 80, 80)
    area = (data.train.images[..., 0] > 80).sum((1, 2))
    means = [area[data.train.labels == label].mean() for label in range(4)]
    disk, square, diamond, ring = means
    assert diamond < disk < square
    assert ring < disk


def test_fatigue_errs_more_towards_the_end_of_a_session():
    plugin = NOISE.load(example("noise"))
    kind = plugin(plugin.Config(rate=0.4, session=50))
    error = kind.error(np.arange(1000))
    assert error.mean() == pytest.approx(0.4)
    assert error[:50] == pytest.approx(0.8 * (np.arange(50) + 0.5) / 50)
    assert error[50:100] == pytest.approx(error[:50])
    labels = np.zeros(20_000, dtype=np.int64)
    noisy = kind.corrupt(Split("train", labels, 3, "zeros", "key"), seed=0).labels
    assert np.bincount(noisy) / len(noisy) == pytest.approx([0.6, 0.2, 0.2], abs=0.02)
