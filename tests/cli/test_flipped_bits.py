"""In a real results folder any flipped bit is told, or changes nothing that a command says or trains."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.store import digests, health
from benchmark.store.compaction import compact
from benchmark.store.store import Store
from tests.conftest import command_line

DATA = ("-d", "digits", "--subset", "100", "-n", "symmetric:0.4", "--seeds", "1", "--epochs", "2")
GRIDS = (
    ("-b", "cnn", "-m", "ce", "-m", "gce"),
    ("-b", "cnn:frozen=true", "-m", "ce"),
    ("-b", "cnn", "-m", "coteaching"),
    ("-b", "cnn", "-m", "stops", "--plugin", "stops.py", "--checkpoint-seconds", "0"),
)
"""Of plain runs; of one with stored features; of one with an estimate; of one that fails and leaves a checkpoint."""
STOPS = '''"""A method that fails late."""
from methods import Method


class Stops(Method):
    """Raises an error in the second epoch."""

    def plan(self, epoch, data):
        if epoch:
            raise ValueError("on purpose")
        return super().plan(epoch, data)
'''
SUITE = """datasets = ["digits"]
methods = ["ce", "gce"]
noise = ["symmetric:0.4"]
seeds = 1
subset = 100
[recipe]
epochs = 2
"""
LOG = "log.txt"
"""What people read, and no command."""
READING = (
    ("table", "--format", "csv"),
    ("table", "--rule", "last"),
    ("runs", "--format", "csv"),
    ("status",),
    ("show", "RUN"),
    ("clinical",),
    ("plot", "confusion", "--out", "out.svg"),
    ("predict", "RUN", "image", "--out", "out.csv"),
    ("verify", "pub"),
    ("table", "--with", "pub", "--results", "none"),
    ("diff", "results", "pub"),
    ("merge", "results", "--results", "joined"),
)


@dataclass(frozen=True)
class Real:
    folder: Path
    files: list[str]
    """Below the folder: everything that is stored and read again."""
    run: str
    """The id of a run with a model."""


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Results with loose records and segments, a failure, kept files, caches, a checkpoint; and a published folder."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "stops.py").write_text(STOPS)
    (folder / "small.toml").write_text(SUITE)
    for grid in GRIDS[1:3]:
        command_line(folder, "run", *DATA, *grid, "--no-table")
    compact(Store(folder / "results"))
    command_line(folder, "run", *DATA, *GRIDS[0], "--no-table", "--keep", "model")
    command_line(folder, "run", *DATA, *GRIDS[3], "--no-table", code=1)
    command_line(folder, "publish", "small.toml", "--out", "pub", "--allow-dirty", "--no-figures", "--no-page")
    (folder / "image").mkdir()
    from sklearn.datasets import load_digits

    from tests.cli.test_predict import saved

    for number, image in enumerate(load_digits().images[:5]):
        (folder / "image" / f"{number}.png").write_bytes(saved((image * 15).astype("uint8")))
    found = sorted(
        path.relative_to(folder).as_posix()
        for place in ("results", "pub")
        for path in (folder / place).rglob("*")
        if path.is_file() and path.name != LOG
    )
    kinds = {name.split("/")[1] for name in found if name.startswith("results/")}
    assert {"runs", "segments", "failures", "work"} <= kinds
    assert {name.split("/")[2] for name in found if name.startswith("results/work/")} >= {
        *("data", "features", "estimates", "runs")
    }
    run = next(name for name in found if name.endswith(".safetensors")).rpartition("/")[2].partition(".")[0]
    return Real(folder, found, run)


FLIP = st.tuples(st.integers(0, 10**6), st.floats(0, 1, exclude_max=True), st.integers(0, 7))


def flipped(real: Real, folder: Path, names: list[str], flip: tuple[int, float, int]) -> str:
    """A copy of the real folder at `folder` in which a bit of one file of `names` is flipped; the file's name."""
    which, place, bit = flip
    name = names[which % len(names)]
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(real.folder, folder)
    content = bytearray((folder / name).read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    (folder / name).write_bytes(content)
    digests._digest_in_state.cache_clear()
    return name


def named(name: str, text: str) -> bool:
    """Whether `text` names the file, or the folder that is checked as one."""
    path = Path(name)
    return path.name in text or path.parent.name in text


@pytest.mark.slow
@settings(max_examples=150)
@given(flip=FLIP)
def test_doctor_names_the_file_of_any_flipped_bit_in_a_results_folder(real, tmp_path_factory, flip):
    folder = tmp_path_factory.getbasetemp() / "flipped"
    names = [name for name in real.files if name.startswith("results/")]
    name = flipped(real, folder, names, flip)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = health.examine(Store(folder / "results"))
    told = [*(broken.path for broken in (*found.broken, *found.damaged_caches))]
    path = folder / name
    if not ({path, path.parent, path.parent.parent} & {*told} or any(str(path) in text for text in found.unreadable)):
        assert name.endswith(".json"), f"{name}: nothing was told"
        former = Store(real.folder / "results")
        assert Store(folder / "results").read(path.stem) == former.read(path.stem), name


@pytest.mark.campaign
@pytest.mark.parametrize("command", READING, ids=" ".join)
@settings(max_examples=25)
@given(flip=FLIP)
def test_a_command_that_reads_names_the_file_of_a_flipped_bit_or_says_the_same(real, tmp_path_factory, command, flip):
    folder = tmp_path_factory.getbasetemp() / "flipped"
    arguments = [real.run if word == "RUN" else word for word in command]
    names = real.files
    if "RUN" in command or command[0] == "clinical":  # most flips would be in files that these do not read
        names = [name for name in names if "/runs/" in name]
    if "pub" in command:
        names = [name for name in names if name.startswith("pub/")]
    for place in ("sound", "flipped"):
        shutil.rmtree(folder.with_name(place), ignore_errors=True)
    sound = folder.with_name("sound")
    shutil.copytree(real.folder, sound)
    expected = command_line(sound, *arguments, code=None)
    name = flipped(real, folder, names, flip)
    done = command_line(folder, *arguments, code=None)
    assert done.returncode in (0, 1, 2)
    assert "fault of noisybench" not in done.stderr, done.stderr
    written = [(place / "out.csv").read_bytes() for place in (sound, folder) if (place / "out.csv").exists()]
    same = (done.stdout, done.returncode) == (expected.stdout, expected.returncode) and len({*written}) <= 1
    assert same or named(name, done.stdout + done.stderr), f"{name}\n{done.stdout}\n{done.stderr}"
