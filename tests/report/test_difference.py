"""`noisybench diff` names the cells, ranks and versions in which two publications differ, and nothing else."""

import io

import pandas as pd
import pytest

from benchmark.store.content import id_of
from tests.report.conftest import files_of, write
from tests.report.test_publish import changed, missing_of


def test_equal_publications_do_not_differ(whole, trained, here):
    assert "do not differ" in here("diff", whole, whole).stdout
    assert "do not differ" in here("diff", whole, trained / "results").stdout


def test_what_differs_is_named(records, whole, tmp_path, here):
    lower = [
        changed(record, ("metrics", "val_noisy", "accuracy"), record["metrics"]["val_noisy"]["accuracy"] - 0.05)
        if record["spec"]["method"]["name"] == "gce" and record["spec"]["noise"]["name"] != "none"
        else record
        for record in records
    ]
    newer = [changed(record, ("provenance", "method_digest"), "sha256:" + "1" * 64) for record in lower]
    write(tmp_path / "other", files_of(newer))
    told = here("diff", whole, tmp_path / "other", code=1).stdout
    assert "gce at symmetric:0.4: mean " in told
    assert "(-0.05)" in told
    assert "method ce: source sha256:" in told
    assert "ce at none" not in told
    rows = pd.read_csv(io.StringIO(here("diff", whole, tmp_path / "other", "--format", "csv", code=1).stdout))
    cells = rows[rows["kind"] == "cell"]
    assert set(cells["method"]) == {"gce"}
    assert set(cells["what"]) == {"mean"}


def test_a_method_on_one_side_is_one_line(records, whole, tmp_path, here):
    write(tmp_path / "other", files_of([r for r in records if r["spec"]["method"]["name"] == "ce"]))
    told = here("diff", whole, tmp_path / "other", code=1).stdout
    assert "digits, cnn, blind track: gce: size 2 columns -> -" in told
    assert "gce at" not in told


def test_where_nothing_is_on_both_sides_it_is_said(records, whole, tmp_path, here):
    write(tmp_path / "other", files_of([changed(record, ("spec", "track"), "oracle") for record in records]))
    told = here("diff", whole, tmp_path / "other", code=1).stdout
    assert "No cell was compared: no data set, backbone, recipe and track is on both sides" in told
    assert "No cell was compared" not in here("diff", whole, whole).stdout


def with_recipe(records, **fields):
    """These records as of another recipe, with ids of their own."""
    found = []
    for record in records:
        spec = record["spec"] | {"recipe": record["spec"]["recipe"] | fields}
        found.append(record | {"spec": spec, "id": id_of(spec)})
    return found


def test_another_recipe_is_named_by_its_fields(records, whole, tmp_path, here):
    write(tmp_path / "other", files_of(with_recipe(records, batch_size=64, schedule="cosine")))
    told = here("diff", whole, tmp_path / "other", code=1).stdout
    assert "digits, cnn, blind track: batch_size 128 -> 64 (-64), schedule constant -> cosine" in told
    assert "No cell was compared" not in told
    rows = rows_of(here, whole, tmp_path / "other")
    assert rows[["kind", "what", "a", "b"]].values.tolist() == [
        ["recipe", "batch_size", "128", "64"],
        ["recipe", "schedule", "constant", "cosine"],
    ]


def rows_of(here, *sides):
    told = here("diff", *sides, "--format", "csv", code=1).stdout
    return pd.read_csv(io.StringIO(told), dtype=str, keep_default_na=False)


def test_runs_of_a_recipe_that_one_side_has_are_left_out_with_a_word(records, whole, tmp_path, here):
    write(tmp_path / "both", files_of([*records, *with_recipe(records[:3], epochs=9)]))
    why = "left out, as the other side has no runs of this recipe and protocol"
    told = here("diff", tmp_path / "both", whole, code=1).stdout
    assert f"digits, cnn, blind track, epochs=9: {why} " in told
    assert ", 3 runs -> -" in told
    assert "Cells" not in told
    assert f"digits, cnn, blind track, epochs=9: {why} - -> " in here("diff", whole, tmp_path / "both", code=1).stdout


def test_where_several_recipes_could_be_meant_none_is_compared_and_that_is_said(records, whole, tmp_path, here):
    others = [*with_recipe(records, epochs=9), *with_recipe(records, epochs=7)]
    write(tmp_path / "others", files_of(others))
    told = here("diff", whole, tmp_path / "others", code=1).stdout
    assert told.count("left out, as several recipes of one side could be compared with it") == 3
    assert "No cell was compared" in told


def one_run_less(records):
    lost = next(r for r in records if r["spec"]["method"]["name"] == "gce" and r["spec"]["noise"]["name"] != "none")
    return lost, [record for record in records if record is not lost]


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_run_of_one_side_is_named_and_a_method_with_a_hole_has_no_change_of_rank(
    is_listed, records, whole, tmp_path, here
):
    lost, rest = one_run_less(records)
    write(tmp_path / "less", files_of(rest, [missing_of(lost)] if is_listed else []))
    told = here("diff", whole, tmp_path / "less", code=1).stdout
    assert f"gce at symmetric:0.4: seeds {lost['spec']['seeds']['init']} -> -" in told
    assert "n 2 -> 1 (-1)" in told
    reason = "ranked yes -> no (no value at symmetric:0.4)"
    assert (reason if is_listed else "rank not compared - -> fewer runs than others at symmetric:0.4") in told
    rows = rows_of(here, whole, tmp_path / "less")
    assert not set(rows["what"][(rows["kind"] == "method") & (rows["method"] == "gce")]) & {"rank", "low", "high"}


def test_a_hole_on_both_sides_is_no_difference(records, tmp_path, here):
    lost, rest = one_run_less(records)
    write(tmp_path / "less", files_of(rest, [missing_of(lost)]))
    assert "do not differ" in here("diff", tmp_path / "less", tmp_path / "less").stdout
