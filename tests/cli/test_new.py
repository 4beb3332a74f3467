"""`noisybench new` writes a plugin of every kind that works as written, with a test that passes."""

import shutil
import subprocess
import sys

import pytest

from benchmark.registry import ALL
from tests.conftest import ROOT, command_line

KINDS = ("method", "backbone", "noise", "dataset")
PLACES = {"method": "methods", "backbone": "backbones", "noise": "benchmark/noise", "dataset": "benchmark/datasets"}


@pytest.fixture(scope="module")
def skeletons(tmp_path_factory):
    """A folder with a skeleton of every kind and their tests."""
    folder = tmp_path_factory.mktemp("skeletons")
    for kind in KINDS:
        done = command_line(folder, "new", kind, f"fresh_{kind}", "--to", folder)
        assert f"noisybench check {folder / f'fresh_{kind}.py'}" in done.stderr
    return folder


@pytest.mark.slow
def test_every_skeleton_passes_its_own_test_which_runs_every_check(skeletons):
    options = ["-v", "-n", "0", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml", "--rootdir", skeletons]
    tests = [skeletons / f"test_fresh_{kind}.py" for kind in KINDS]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert all(path.name in done.stdout for path in tests), done.stdout


@pytest.mark.parametrize("kind", ["noise", "dataset", "backbone"])
def test_the_skeleton_keeps_every_promise(here, skeletons, kind):
    assert "all promises kept" in here("check", skeletons / f"fresh_{kind}.py").stdout


def test_the_four_skeletons_run_together(here, skeletons):
    plugins = [word for kind in KINDS for word in ("--plugin", skeletons / f"fresh_{kind}.py")]
    done = here(
        "run", "-d", "fresh_dataset", "-b", "fresh_backbone", "-m", "fresh_method", "-m", "ce",
        "-n", "fresh_noise:0.3", "--seeds", "1", "--epochs", "1", *plugins,
    )  # fmt: skip
    assert "| fresh_method " in done.stdout


def test_the_skeletons_are_formatted_and_clean(skeletons):
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--config", ROOT / "pyproject.toml", skeletons],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_without_a_folder_the_files_go_to_the_rooms_of_their_kind(tmp_path):
    for house in ("benchmark", "methods", "backbones"):
        shutil.copytree(ROOT / house, tmp_path / house, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "noisybench.py", tmp_path)

    def run(*arguments):
        command = [sys.executable, "-m", "noisybench", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    for kind in KINDS:
        written = run("new", kind, f"fresh_{kind}").split()
        place = PLACES[kind]
        assert str(tmp_path / place / f"fresh_{kind}.py") in written
        test = tmp_path / "tests" / place.rpartition("/")[2] / f"test_fresh_{kind}.py"
        assert "add_plugin_file" not in test.read_text()
    for one in ALL:
        assert f"fresh_{one.word} " in run("list", one.plural)


@pytest.mark.parametrize(
    ("kind", "taken"), [("method", "gce"), ("backbone", "cnn"), ("noise", "pair"), ("dataset", "npz")]
)
def test_a_name_that_is_taken_or_no_name_is_refused(here, kind, taken):
    assert "already" in here("new", kind, taken, code=2).stderr
    assert "lower_case" in here("new", kind, "My-Idea", code=2).stderr


def test_no_file_is_written_over(here, skeletons):
    assert "exists already" in here("new", "noise", "fresh_noise", "--to", skeletons, code=2).stderr
