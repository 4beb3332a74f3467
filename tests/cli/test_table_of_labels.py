"""The way from an Excel file and a folder to a run, as it is typed."""

from __future__ import annotations

import json
import tomllib

import pytest

from tests.cli.test_run import records
from tests.datasets.hospital import HEADER, READERS, write_excel, write_study


@pytest.fixture
def study(tmp_path):
    return write_study(tmp_path / "hospital")


def test_from_an_excel_file_to_a_run_in_three_commands(here, tmp_path, study):
    drafted = here("data", "describe", "hospital/labels.xlsx", "--out", "study.toml").stdout
    assert "patient = 'Patient ID'" in drafted
    assert "120 of the first 120 files were found there" in drafted
    read = tomllib.loads((tmp_path / "study.toml").read_text())
    assert read == {
        "alias": "study",
        "path": "hospital/labels.xlsx",
        "root": "hospital/images",
        "file": "Image",
        "label": "Diagnosis",
        "patient": "Patient ID",
        "site": "Hospital",
        "raters": [*READERS],
    }
    refused = here("data", "info", "table:study.toml", code=1).stderr
    assert "1 of 120 files" in refused
    told = here("data", "info", "table:study.toml,skip_corrupt=true", "--left-out").stdout
    for line in (
        "study: 3 classes, 64x64 px, 3 channel(s)",
        "28x28 to 32x32 px, 8 and 16 bit(s) per channel",
        "note: 30 patients: train 21, val 3, test 6",
        "images by site: South",
        "patients or other groups, ",
        "labels 'Reader A' differ from the main ones in ",
        f"left out: {study.broken}: not a PNG, JPEG, TIFF, BMP, WebP or DICOM image",
    ):
        assert line in told
    done = here(
        *("run", "-d", "table:study.toml,skip_corrupt=true,size=16", "-m", "ce", "--seeds", "1", "--epochs", "1"),
        *(
            "-n",
            "raters:dawid_skene",
            "--extra-test",
            "south=table:study.toml,only_sites=South,skip_corrupt=true,size=16",
        ),
    )
    assert "data set study: split by patient, 70/10/20" in done.stderr
    assert "images of south are training images too" in done.stderr
    assert "data set study: left out: 1 file(s): not a PNG" in done.stderr
    (record,) = records(tmp_path / "results").values()
    groups = record["tests"]["test"]["groups"]
    assert len(groups) == record["tests"]["test"]["size"]
    assert set(groups) == {str(k) for k in range(6)}, "patients by number, never by name"
    assert record["spec"]["dataset"]["config"]["raters"] == [*READERS]
    for row in study.rows:
        assert row[2] not in json.dumps(record)
        assert row[0] not in json.dumps(record)


def test_a_draft_is_never_written_over_and_finds_other_names(here, tmp_path, study):
    rows = [("scan", "verdict", "record"), *((row[0].split("/")[1], row[1], row[2]) for row in study.rows)]
    write_excel(tmp_path / "hospital" / "other.xlsx", rows, remarks=[HEADER, HEADER])
    assert "sheet=labels" in here("data", "describe", "hospital/other.xlsx", "--out", "new.toml", code=1).stderr
    here("data", "describe", "hospital/other.xlsx", "--out", "hospital/new.toml", "--sheet", "labels")
    read = tomllib.loads((tmp_path / "hospital" / "new.toml").read_text())
    assert (read["file"], read["label"], read["sheet"], read["path"]) == ("scan", "verdict", "labels", "other.xlsx")
    assert "patient" not in read
    again = here("data", "describe", "hospital/other.xlsx", "--out", "hospital/new.toml", "--sheet", "labels", code=2)
    assert "exists already" in again.stderr


def test_an_unknown_option_in_a_toml_file_has_a_suggestion(here, tmp_path, study):
    (tmp_path / "study.toml").write_text('path = "hospital/labels.xlsx"\npatients = "Patient ID"\n')
    assert "did you mean 'patient'?" in here("data", "info", "table:study.toml", code=2).stderr
