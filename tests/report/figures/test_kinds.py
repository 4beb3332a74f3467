"""Every kind of figure is drawn from runs and from a published folder alone, with equal bytes for equal records."""

import re
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from benchmark.report.figures import kinds
from benchmark.report.figures.captions import Material
from benchmark.store import published, record_table
from benchmark.store.store import Store
from benchmark.tables.shown import shown
from tests.conftest import ROOT, SCHEMA_1
from tests.report.figures.conftest import chosen, renamed

NOTHING = ("--results", "nothing")
OF_CELLS = {"curves", "memorization", "confusion", "reliability", "transition"}
"""Kinds with many panels: one cell is drawn of them here, which takes less time."""
AWKWARD = {
    "ce": "$x_{1}^2$ & 50% <b>\"'`\\frac|",
    "forward": "\x1b[31mred\x07 \U0001f600 \u202eabc \u05d0\u05d1 \u4e2d\u0627\nsecond",
    "symmetric:0.4": "noise $\\notacommand{ _ % & < >",
    "digits": "d$t$\x00 _^ \ud7ff",
}


def words(svg: bytes) -> str:
    """The texts of an SVG, which matplotlib writes as shapes, with the text in a comment before each."""
    return " ".join(re.findall(r"<!-- (.*?) -->", svg.decode(), flags=re.DOTALL))


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_runs_and_a_published_folder_give_the_same_bytes(kind, grid, archive, here, tmp_path):
    """The archive holds the records in another order."""
    few = ("--only", "forward", "--only", "symmetric:0.4") if kind in OF_CELLS else ()
    told = here("plot", kind, "--results", grid, "--rule", "last", *few, "--out", "runs.svg")
    assert told.stdout == "runs.svg\n"
    here("plot", kind, *NOTHING, "--with", archive, "--rule", "last", *few, "--out", "published.svg")
    drawn = (tmp_path / "runs.svg").read_bytes()
    assert drawn == (tmp_path / "published.svg").read_bytes()
    text = " ".join(words(drawn).split())
    for part in ("Suite command line; 8 runs, records sha256:", "forward", "ce"):
        assert part in text or (part == "ce" and few), text
    assert ("Rule last: last epoch." in text) == (kind not in ("curves", "memorization", "transition"))


def test_the_table_of_published_records_gives_the_same_bytes(grid, here, tmp_path):
    few = ("--rule", "last", "--only", "ce", "--only", "none")
    here("plot", "reliability", "--results", grid, *few, "--out", "runs.svg")
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / published.TABLE).write_bytes(record_table.encode(list(Store(grid).originals())))
    here("plot", "reliability", *NOTHING, "--with", "table", *few, "--out", "published.svg")
    assert (tmp_path / "runs.svg").read_bytes() == (tmp_path / "published.svg").read_bytes()


@pytest.mark.parametrize("suffix", kinds.SUFFIXES)
def test_a_figure_drawn_twice_has_the_same_bytes_in_every_format(suffix, material):
    first, again = (kinds.draw("rate", material, suffix)[0] for _ in range(2))
    assert first == again
    assert first.startswith({".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix])


def test_settings_of_the_user_change_nothing(material):
    import matplotlib as mpl

    plain = kinds.draw("heatmap", material, ".svg")[0]
    with mpl.rc_context({"font.size": 20, "axes.grid": True, "text.usetex": False, "svg.hashsalt": "other"}):
        assert kinds.draw("heatmap", material, ".svg")[0] == plain


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_names_are_no_mathtext_no_markup_and_no_control_characters(kind, material):
    few = (AWKWARD["forward"], AWKWARD["symmetric:0.4"]) if kind in OF_CELLS else ()
    odd = Material(renamed(material.table, AWKWARD), few, material.whole)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for suffix in (".svg",) if kind != "heatmap" else kinds.SUFFIXES:
            drawn, _ = kinds.draw(kind, odd, suffix)
            if suffix == ".svg":
                assert b"\x1b" not in drawn
                assert "\u202e" not in drawn.decode()


@pytest.mark.parametrize("kind", ["confusion", "transition"])
def test_matrices_name_the_classes_that_records_name(kind, material):
    def drawn(classes):
        def whole(ids):
            for record in material.whole(ids):
                origin = record["provenance"]
                yield {**record, "provenance": {**origin, "labels": {**origin["labels"], "classes": classes}}}

        few = ("forward", "symmetric:0.4")
        return " ".join(words(kinds.draw(kind, Material(material.table, few, whole), ".svg")[0]).split())

    named = drawn([f"cell {letter}_$^" for letter in "abcdefghij"])
    assert all(f"cell {letter}_$^" in named for letter in "abcdefghij")
    assert "Classes are numbered" not in named
    assert "Classes are numbered as in the data set." in drawn([str(k) for k in range(10)])
    assert "some records hold no names of classes" in drawn([])


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=8))
@example("W" * 60, "\x90\U00010000\U00010330")
def test_any_name_can_be_drawn(material, method, noise):
    names = {"ce": f"a{method}", "symmetric:0.4": f"b{noise}"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kinds.draw("heatmap", Material(renamed(material.table, names), (), material.whole), ".svg")


def test_the_published_records_of_older_schemas_are_drawn_too(here, tmp_path):
    """Of human labels: rates are those that were realized, and predictions were not kept then."""
    here("plot", "rate", *NOTHING, "--with", SCHEMA_1, "--only", "ce", "--only", "gce", "--out", "rate.svg")
    text = words((tmp_path / "rate.svg").read_bytes())
    assert "0.41" in text
    assert "n = 3 seeds" in text
    told = here("plot", "confusion", *NOTHING, "--with", SCHEMA_1, "--out", "c.svg", code=2).stderr
    assert "noisybench run SUITE --results" in told
    assert not (tmp_path / "c.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rate", "--out", "a.jpg"], ".png, .svg or .pdf"),
        (["rate", "--out", "a"], ".png, .svg or .pdf"),
        (["rate", "--out", "not/there/a.png"], "mkdir -p not/there"),
        (["rate", "--out", "a.png"], "noisybench run SUITE"),
        (["rate", "--out", "a.png", "--with", "not-there"], "does not exist"),
        (["rate", "--out", "a.png", "-m", "ce"], "--only NAME"),
        (["rate", "--out", "a.png", "--timing"], "noisybench plot cost"),
        (["pie", "--out", "a.png"], "'rate'"),
        (["rate"], "--out"),
    ],
)
def test_what_cannot_be_drawn_is_said_with_what_to_type(arguments, told, here, tmp_path):
    complained = here("plot", *arguments, code=2).stderr
    assert told in complained
    assert not list(tmp_path.glob("a*"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rate", "--only", "nosuch"], "ce, forward"),
        (["rate", "--only", "none"], "known rate"),
        (["heatmap", "--rule", "last5"], "has a figure"),
        (["rate", "--rule", "last5"], "has a figure"),
        (["confusion", "--rule", "last5"], "--rule val_noisy"),
        (["ranks", "--rule", "oracle_test"], "val_noisy"),
        (["matrix", "--rule", "oracle_test"], "val_noisy"),
        (["matrix", "--only", "ce"], "two methods"),
        (["memorization", "--only", "none"], "symmetric:0.4"),
        (["transition", "--metric", "nosuch"], "--metric"),
    ],
)
def test_records_that_do_not_hold_what_is_asked_for_are_said(arguments, told, grid, here, tmp_path):
    complained = here("plot", *arguments, "--results", grid, "--out", "a.png", code=2).stderr
    assert told in complained
    assert not (tmp_path / "a.png").exists()


def test_one_seed_a_missing_clean_column_and_missing_runs_are_drawn_and_said(grid, here, tmp_path):
    one = chosen(grid, tmp_path / "one", lambda record: record["spec"]["seeds"]["noise"] == 0)
    assert "one seed" in here("plot", "rate", "--results", one, "--out", "a.svg").stderr
    few = ("--rule", "last", "--only", "ce", "--only", "none", "--out", "a.svg")
    assert "one seed" in here("plot", "curves", "--results", one, *few).stderr
    assert "one seed" in here("plot", "reliability", "--results", one, *few).stderr
    noisy = chosen(grid, tmp_path / "noisy", lambda record: record["spec"]["noise"]["name"] != "none")
    assert "no clean runs" in here("plot", "rate", "--results", noisy, "--out", "a.svg").stderr
    holes = chosen(
        grid, tmp_path / "holes", lambda record: record["spec"]["method"]["name"] == "ce"
        or record["spec"]["noise"]["name"] == "none"
    )  # fmt: skip
    for kind in ("rate", "heatmap"):
        told = here("plot", kind, "--results", holes, "--out", "a.svg").stderr
        assert "no figure, drawn as a gap: forward at symmetric:0.4 (no runs)" in told
    assert "not ranked" in here("plot", "ranks", "--results", holes, "--out", "a.svg").stderr
    told = here("plot", "curves", "--results", holes, "--out", "a.svg").stderr
    assert "no run there: forward at symmetric:0.4" in told
    assert (tmp_path / "a.svg").read_bytes().count(b"<!-- epoch -->") == 3


def test_measured_cost_is_drawn_and_needs_the_baseline(grid, here, tmp_path):
    here("plot", "cost", "--results", grid, "--timing", "--out", "a.svg")
    assert "seconds, ce = 1" in words((tmp_path / "a.svg").read_bytes())
    alone = chosen(grid, tmp_path / "alone", lambda record: record["spec"]["method"]["name"] == "forward")
    assert "leave --timing out" in here("plot", "cost", "--results", alone, "--timing", "--out", "b.svg", code=2).stderr


def test_without_matplotlib_the_command_that_installs_it_is_named(grid, here, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    told = here("plot", "rate", "--results", grid, "--out", "a.png", code=2).stderr
    assert f"pip install '{kinds.PACKAGE}'" in told


def test_the_package_that_is_named_is_the_one_that_is_declared():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["figures"]
    assert declared == [kinds.PACKAGE]


def test_only_names_choose_and_the_best_and_the_baseline_are_drawn_otherwise(material):
    table = material.table
    (everything,) = shown(table, ())
    assert everything.first(1, "ce").methods == ("ce",)
    assert set(everything.first(2, "ce").methods) == {"ce", "forward"}
    (named,) = shown(table, ("forward", "symmetric"))
    assert (named.methods, named.noise) == (("forward",), ("symmetric:0.4",))
    assert named.first(0, "ce").methods == ("forward",)
    assert everything.few_columns().noise == ("none", "symmetric:0.4")
    assert everything.worst_of_each_kind().noise == ("symmetric:0.4",)


def test_a_published_name_is_found_from_anywhere_with_its_curves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = published.read(Path("human")).records[0]
    (whole,) = published.whole(Path("human"), {record["id"]})
    assert whole["curve"]["test"]["accuracy"]
    assert "curve" not in record


def test_only_plot_imports_matplotlib():
    """All other modules of the suite can be imported without it, as importing it takes most of a second."""
    script = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from importlib import import_module; from pathlib import Path\n"
        "for path in [*Path('benchmark/cli').glob('*.py'), *Path('benchmark/tables').glob('*.py'),\n"
        "             *Path('benchmark/report').rglob('*.py')]:\n"
        "    if path.parent.name != 'figures' or path.stem in ('__init__', 'kinds'):\n"
        "        import_module('.'.join(path.with_suffix('').parts).removesuffix('.__init__'))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
