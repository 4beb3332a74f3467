"""A record names the commit that it was made with, and says where the checkout held anything else."""

import subprocess

import pytest

from benchmark.store import provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git repository with the folders of this one, all committed."""
    for name in (
        "benchmark/a.py",
        "methods/gce.py",
        "backbones/cnn.py",
        "docs/a.md",
        "noisybench.py",
        "pyproject.toml",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / ".gitignore").write_text("__pycache__/\n.venv/\nresults/\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "--message", "First")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    return tmp_path


def git(folder, *arguments):
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def is_dirty(checkout):
    return provenance.collect()["dirty"]


def test_a_checkout_as_it_was_committed_is_clean(checkout):
    assert len(provenance.collect()["commit"]) == 40
    assert not is_dirty(checkout)


@pytest.mark.parametrize(
    "name", ["methods/mine.py", "methods/mine/__init__.py", "benchmark/grid/suites/mine.toml", "backbones/mine.py"]
)
def test_a_new_file_of_the_sources_is_a_change_until_it_is_committed(name, checkout):
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout / name).write_text("")
    assert is_dirty(checkout)
    git(checkout, "add", "--all")
    assert is_dirty(checkout)
    git(checkout, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "--message", "Mine")
    assert not is_dirty(checkout)


@pytest.mark.parametrize(
    "name",
    ["notes.txt", "docs/b.md", "data/ours.npz", ".venv/a.py", "results/runs/a.json", "methods/__pycache__/a.pyc"],
)
def test_a_new_file_elsewhere_is_none(name, checkout):
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout / name).write_text("")
    assert not is_dirty(checkout)


def test_a_changed_file_is_a_change_wherever_it_is(checkout):
    (checkout / "docs" / "a.md").write_text("more")
    assert is_dirty(checkout)


def test_where_git_does_not_answer_the_checkout_is_not_taken_for_clean(checkout, monkeypatch):
    (checkout / ".git" / "index").write_bytes(b"damaged")
    assert is_dirty(checkout)
    monkeypatch.setattr(provenance, "ROOT", checkout / "no" / "checkout")
    made = provenance.collect()
    assert (made["commit"], made["dirty"]) == (None, False)
