"""Names and output in any encoding."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

GRID = ("-b", "cnn", "-m", "ce", "-n", "symmetric:0.2", "--seeds", "1", "--epochs", "1", "--no-table")


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


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "cp1252"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["md", "csv"])
def test_a_table_prints_in_any_encoding(environment, form, start):
    """It holds a dagger, a plus-minus sign and dashes; what the encoding lacks is escaped."""
    code, out, err = start("table", "--with", "digits", "--format", form, **environment)
    assert code == 0, err
    rows = start("table", "--with", "digits", "--format", form)[1].count(b"\n")
    assert out.count(b"\n") == rows


def test_files_of_a_data_folder_may_have_names_that_are_not_utf_8(start, image_folder):
    image_folder.joinpath("red", "patient99_0.png").unlink()
    (image_folder / "red" / "patient10_0.png").rename(image_folder / "red" / os.fsdecode(b"caf\xe9.png"))
    (image_folder / "blue").rename(image_folder / os.fsdecode(b"bl\xfce"))
    code, _, err = start("run", "-d", f"folder:{image_folder}", *GRID)
    assert code == 0, err
    code, _, err = start("suspects", "-d", f"folder:{image_folder}", "--out", "out", "--epochs", "1", "--folds", "2")
    assert code == 0, err


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
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code, _, err = start(b"table", b"--results", "zellen_ü".encode(), **locale)
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


@pytest.mark.parametrize("arguments", [("--help",), ("show", "method", "gce"), ("check", "gce")], ids=" ".join)
def test_descriptions_that_python_was_told_to_drop_are_missed_aloud(arguments, start):
    code, _, err = start(*arguments, PYTHONOPTIMIZE="2")
    assert code == 0
    assert b"PYTHONOPTIMIZE=2" in err
