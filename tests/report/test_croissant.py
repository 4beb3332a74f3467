"""croissant.json is what the reference reader of the format takes."""

import json

import pytest


def test_every_column_of_the_runs_is_described(whole):
    described = json.loads((whole / "croissant.json").read_text())
    header = (whole / "runs.csv").read_text().partition("\n")[0].split(",")
    (runs,) = described["recordSet"]
    assert [field["source"]["extract"]["column"] for field in runs["field"]] == header
    types = {field["name"]: field["dataType"] for field in runs["field"]}
    assert types["runs/last.accuracy"] == "sc:Float"
    assert types["runs/seed.noise"] == "sc:Integer"
    assert types["runs/method"] == "sc:Text"
    digests = dict(line.split("  ")[::-1] for line in (whole / "SHA256SUMS").read_text().splitlines())
    for file in described["distribution"]:
        assert file["sha256"] == digests[file["contentUrl"]]
        assert file["contentSize"] == f"{(whole / file['contentUrl']).stat().st_size} B"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of packages that it imports
def test_mlcroissant_finds_no_error_and_reads_the_runs(whole):
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs the extra [croissant], or what .ci/run installs")
    dataset = mlcroissant.Dataset(jsonld=str(whole / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    ids = {row["runs/id"].decode() for row in dataset.records("runs")}
    assert ids == {line.partition(",")[0] for line in (whole / "runs.csv").read_text().splitlines()[1:]}
