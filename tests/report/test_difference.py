"""`noisybench diff` names the cells, ranks and versions in which two publications differ, and nothing else."""

import io

import pandas as pd

from tests.report.conftest import files_of, write
from tests.report.test_publish import changed


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
