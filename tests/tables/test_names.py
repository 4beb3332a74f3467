"""Names of long options: short where they are shown, whole where they can be looked up."""

from __future__ import annotations

import csv
import io
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.report import html, latex
from benchmark.report.layouts import rates
from benchmark.report.publishing.difference import difference
from benchmark.tables.display_names import LONGEST
from tests.report import records
from tests.tables import test_comparison
from tests.tables.written import render_csv, render_markdown

LONG = [[0, 3], [1, 6], [3, 6], [4, 2]]
OTHER = [[0, 3], [1, 6], [3, 6], [4, 5]]


def build(made):
    return test_comparison.build(made, defaults={**test_comparison.DEFAULTS, "noise": {"asymmetric": {"map": None}}})


def noisy(method, map_, seed=0, rate=0.4, value=0.5):
    noise = {"name": "asymmetric", "version": 1, "config": {"rate": rate, "map": map_}}
    made = records.record(value, method, rate, seed, noise=noise)
    made["noise"]["labels_sha256"] = f"{map_}/{rate}/{seed}"
    return made


def test_a_long_map_is_left_out_of_headings_and_captions_and_told_once():
    table = build([noisy(method, LONG) for method in ("ce", "gce")])
    (block,) = table.blocks
    assert block.columns == ("asymmetric:0.4,map=...",)
    whole = "asymmetric:0.4,map=[[0,3],[1,6],[3,6],[4,2]]"
    assert block.whole(block.columns[0]) == whole
    text = " ".join(render_markdown(table).split())
    assert text.count(whole) == 1
    assert f"in full: `asymmetric:0.4,map=...` is `{whole}`" in text
    assert html.render_html(rates.document([table])).count(whole) == 1
    assert latex.render_latex(rates.document([table])).count("[4,2]") == 1
    assert {row["noise"] for row in csv.DictReader(io.StringIO(render_csv(table)))} == {whole}


def test_a_short_map_is_shown():
    (block,) = build([noisy("ce", [[0, 3]])]).blocks
    assert block.columns == ("asymmetric:0.4,map=[[0,3]]",)
    assert not block.full


def test_two_long_maps_are_told_apart_and_never_averaged():
    table = build([noisy(method, map_) for method in ("ce", "gce") for map_ in (LONG, OTHER)])
    (block,) = table.blocks
    assert len(block.columns) == 2
    assert all(re.fullmatch(r"asymmetric:0\.4,map=\.\.\.@[0-9a-f]{4,}", name) for name in block.columns)
    assert {block.whole(name).partition("map=")[2] for name in block.columns} == {
        "[[0,3],[1,6],[3,6],[4,2]]",
        "[[0,3],[1,6],[3,6],[4,5]]",
    }


def test_the_rates_of_one_map_are_one_kind_of_noise():
    table = build([noisy("ce", map_, rate=rate) for map_ in (LONG, OTHER) for rate in (0.2, 0.4)])
    (block,) = table.blocks
    kinds = block.valued.groupby("kind")["rate"].agg(set)
    assert len(kinds) == 2
    assert all(rates == {0.2, 0.4} for rates in kinds)


def test_two_tables_with_other_maps_are_no_two_values_of_one_cell():
    one, other = ([noisy("ce", map_, value=value)] for map_, value in ((LONG, 0.5), (OTHER, 0.6)))
    rows = difference((one, build(one)), (other, build(other)))
    cells = rows[rows["kind"] == "cell"]
    assert set(cells["noise"]) == {f"asymmetric:0.4,map={str(map_).replace(' ', '')}" for map_ in (LONG, OTHER)}
    assert (cells["change"] == "").all()


values = st.recursive(
    st.integers(0, 9) | st.text("ab", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=6) | st.dictionaries(st.text("xy", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=25, deadline=None)
@given(st.lists(values, min_size=1, max_size=4, unique_by=repr))
def test_whatever_the_options_every_column_is_one_kind_of_noise_and_no_name_holds_a_long_list(options):
    (block,) = build([noisy("ce", option) for option in options]).blocks
    assert len(block.columns) == len(options)
    assert len({block.whole(name) for name in block.columns}) == len(options)
    for name in block.columns:
        shown = name.partition("map=")[2]
        assert len(shown) <= LONGEST or not shown.startswith(("[", "{"))
