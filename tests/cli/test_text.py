"""Names and output in any encoding."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

GRID = ("-b", "cnn", "-m", "ce", "-n", "symmetric:0.2", "--seeds", "1", "--epochs", "1", "--subset", "60", "--no-table")
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""An environment in which a process reads and prints ASCII."""


@pytest.fixture
def start(tmp_path):
    """Runs the command line with arguments and in a folder that may be bytes; returns code, stdout and stderr."""

    def run(*arguments, cwd=tmp_path, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "noisybench", *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr
        assert b"a fault of noisybench" not in done.stderr, done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252"])
@pytest.mark.parametrize("form", ["md", "csv"])
def test_a_table_prints_in_any_encoding(encoding, form, here):
    """As Markdown it holds a dagger, a plus-minus sign and dashes; what the encoding lacks is escaped."""
    table = ("table", "--with", "human", "--format", form)
    expected = here(*table).stdout
    assert "±" in expected or form == "csv"
    assert here(*table, encoding=encoding).stdout.count("\n") == expected.count("\n")


def test_a_table_prints_where_the_locale_knows_ascii_only(start, here):
    table = ("table", "--with", "human")
    code, out, err = start(*table, **ASCII)
    assert code == 0, err
    assert out.count(b"\n") == here(*table).stdout.count("\n")


def test_files_of_a_data_folder_may_have_names_that_are_not_utf_8(here, image_folder):
    image_folder.joinpath("red", "patient99_0.png").unlink()
    (image_folder / "red" / "patient10_0.png").rename(image_folder / "red" / os.fsdecode(b"caf\xe9.png"))
    (image_folder / "blue").rename(image_folder / os.fsdecode(b"bl\xfce"))
    here("run", "-d", f"folder:{image_folder}", *GRID)
    here("suspects", "-d", f"folder:{image_folder}", "--out", "out", "--epochs", "1", "--folds", "2")


@pytest.mark.parametrize(
    "arguments",
    [
        (b"table", b"--results", b"caf\xe9"),
        (b"run", b"-d", b"folder:caf\xe9", *map(str.encode, GRID)),
        (b"run", b"caf\xe9.toml"),
        (b"show", b"\xff"),
        (b"caf\xe9",),
    ],
    ids=str,
)
def test_arguments_that_are_not_utf_8_are_refused_with_their_name(arguments, start):
    code, _, err = start(*arguments)
    assert code == 2
    assert b"\\xe9" in err or b"\\xff" in err
    assert b"rename" in err


def test_a_current_folder_that_is_not_utf_8_is_refused_with_its_name(start, tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    code, _, err = start("run", "-d", "digits", *GRID, cwd=folder)
    assert code == 2
    assert b"caf\\xe9 cannot be read as UTF-8" in err


def test_a_locale_that_cannot_read_an_argument_is_named(start):
    code, _, err = start(b"table", b"--results", "zellen_ü".encode(), **ASCII)
    assert code == 2
    assert b"PYTHONUTF8=1" in err or "zellen_ü".encode() in err


def test_a_current_folder_that_was_removed_is_an_error(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    line = f'cd "{gone}" && rmdir "{gone}" && "$@"'
    done = subprocess.run(
        ["bash", "-c", line, "_", sys.executable, "-m", "noisybench", "run", "-d", "digits", *GRID],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert "a fault of noisybench" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("--help",), ("show", "method", "gce"), ("check", "symmetric")], ids=" ".join)
def test_descriptions_that_python_was_told_to_drop_are_missed_aloud(arguments, start):
    code, _, err = start(*arguments, PYTHONOPTIMIZE="2")
    assert code == 0
    assert b"PYTHONOPTIMIZE=2" in err
