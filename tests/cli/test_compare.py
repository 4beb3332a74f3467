"""`noisybench compare`: a new method among those of a published folder, which are not run again."""

import shutil
from pathlib import Path

import pytest

from benchmark.cli.compare import _FILE
from tests.conftest import command_line

MINE = """
from torch.nn import functional as F
from methods import Method

class Mine(Method):
    \"\"\"Cross entropy of smoother predictions.\"\"\"
    version = 1

    def loss(self, logits, batch):
        return F.cross_entropy(logits / 2, batch.y)
"""


WITH_OPTION = (
    MINE.replace("from methods import Method", "from methods import Field, Method")
    .replace(
        "    version = 1\n",
        "    version = 1\n\n    class Config(Method.Config):\n        warmth: float = Field(2.0, gt=0)\n",
    )
    .replace("logits / 2", "logits / self.cfg.warmth")
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A published grid of six seeds."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "grid.toml").write_text(
        'name = "grid"\nseeds = 6\ndatasets = ["digits"]\nbackbones = ["cnn"]\nmethods = ["ce", "gce"]\n'
        'noise = ["none", "symmetric:0.4"]\nsubset = 150\n[recipe]\nepochs = 2\n'
    )
    command_line(folder, "run", "grid.toml", "--no-table")
    command_line(folder, "publish", "grid.toml", "--out", "theirs", "--allow-dirty")
    return folder / "theirs"


@pytest.fixture
def published(made, tmp_path):
    """A copy of it, beside a method of one's own."""
    (tmp_path / "mine.py").write_text(MINE)
    return Path(shutil.copytree(made, tmp_path / "theirs"))


def test_only_the_new_method_is_run_and_it_gets_its_place(here, published):
    done = here("compare", "mine.py", "--with", "theirs", "--results", "mine")
    assert "suite grid: 12 runs, 0 already done, 12 to run" in done.stderr
    text = " ".join(done.stdout.split())
    assert "## mine: digits" in text
    assert " of 3 (95 % interval), average rank " in text
    assert all(f"| {name} " in text for name in ("ce", "gce"))
    again = here("compare", "mine.py", "--with", "theirs", "--results", "mine")
    assert "0 to run" in again.stderr
    assert again.stdout == done.stdout


def test_a_method_of_the_tree_with_options_and_fewer_seeds(here, published):
    done = here("compare", "gce:q=0.3", "--with", "theirs", "--results", "mine", "--seeds", 3)
    text = " ".join(done.stdout.split())
    assert "## gce:q=0.3: digits" in text
    assert "with 3 seeds no order is claimed, from 6 on it is" in text
    assert "ahead" not in text.replace("wins/ties/losses", "")


def test_a_twin_with_fewer_seeds_is_compared_at_equal_seeds(here, published, tmp_path):
    (tmp_path / "twin.py").write_text("from methods.gce import GCE\n\nclass Twin(GCE):\n    version = 1\n")
    done = here("compare", "twin.py", "--with", "theirs", "--results", "mine", "--seeds", 3)
    row = next(line for line in done.stdout.splitlines() if line.startswith("| gce "))
    assert "+.000 ±.000" in row
    assert "0/1/0" in row
    assert (
        "average rank 1.5 among 3" in " ".join(done.stdout.lower().split()) or "average rank 2.5" in done.stdout.lower()
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("mine.py", "--with", "nowhere"), "nowhere does not exist"),
        (("absent.py", "--with", "theirs"), "absent.py"),
        (("nope", "--with", "theirs"), "nope"),
        (("plugin.py", "--with", "theirs"), "holds no method"),
        (("mine.py",), "--with"),
        (("mine.py", "--with", "theirs", "--dry-run"), "leave --dry-run out"),
        (("mine.py", "--with", "theirs", "--nonsense"), "--nonsense"),
        (("mine.py", "--with", "theirs", "--rule", "foo"), "unknown rule 'foo'"),
        (("mine.py", "--with", "theirs", "--metric", "foo"), "metric 'foo' is unknown"),
        (("mine.py:Yours", "--with", "theirs"), "no class 'Yours'"),
        (("mine.py:scale=2", "--with", "theirs"), "scale"),
    ],
)
def test_what_cannot_be_compared_is_said(arguments, told, here, published):
    (published.parent / "plugin.py").write_text(
        "from benchmark.noise.base import NoiseKind\nclass Odd(NoiseKind):\n    names = ('odd',)\n    version = 1\n"
    )
    assert told in here("compare", *arguments, code=2).stderr
    assert not list(published.parent.glob("results/runs/*/*")), "nothing is run"


def test_a_method_in_a_file_takes_options_behind_its_name(here, published):
    (published.parent / "mine.py").write_text(WITH_OPTION)
    done = here("compare", "mine.py:Mine:warmth=3", "--with", "theirs", "--results", "mine", "--seeds", 1)
    assert "## mine:warmth=3: digits" in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith("| ce "))
    assert row.rstrip(" |").endswith("-"), "one seed tells no spread, so no number of seeds can be told"
    assert "with 1 seed no order is claimed" in done.stdout
    here("compare", "mine.py:warmth=3", "--with", "theirs", "--results", "mine", "--seeds", 1)


def test_a_folder_of_images_that_are_not_there_says_how_to_name_them(here, published):
    suite = published / "suite.toml"
    suite.write_text(suite.read_text().replace('["digits"]', '["npz:cells.npz"]'))
    told = here("compare", "mine.py", "--with", "theirs", code=2).stderr
    assert "-d npz:FILE" in told


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("mine.py", ("mine.py", None, None)),
        ("a/b.py:Mine", ("a/b.py", ":Mine", None)),
        ("mine.py:q=0.5,r=[1,2]", ("mine.py", None, ":q=0.5,r=[1,2]")),
        ("mine.py:Mine:file=other.py", ("mine.py", ":Mine", ":file=other.py")),
        ("gce:file=other.py", None),
        ("gce:q=0.5", None),
    ],
)
def test_a_file_is_told_from_a_method_whose_option_names_one(text, parts):
    found = _FILE.fullmatch(text)
    assert (found and found.groups()) == parts


def test_a_folder_without_its_suite_is_refused(here, published):
    (published / "suite.toml").unlink()
    told = here("compare", "mine.py", "--with", "theirs", code=2).stderr
    assert "holds no suite.toml" in told


def test_a_folder_of_another_protocol_is_refused_before_anything_is_run(here, published, monkeypatch):
    monkeypatch.setattr("benchmark.cli.compare.PROTOCOL", 99)
    told = here("compare", "mine.py", "--with", "theirs", "--results", "mine", code=2).stderr
    assert "holds runs of protocol 3, and this version makes runs of protocol 99" in told
    assert not (published.parent / "mine").exists()
