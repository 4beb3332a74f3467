"""`noisybench robustness` shows what runs lose on corrupted copies, which one command scores."""

import csv
import io

GRID = ("run", "-d", "digits", "-m", "ce", "-m", "gce", "-n", "symmetric:0.4", "--seeds", "2", "--epochs", "2")
COPIES = ("--extra-test", "corrupted:kinds=[pixelate,gaussian_noise],severities=[1,5]")

SUITE = """
datasets = ["digits"]
methods = ["ce", "gce"]
noise = ["symmetric:0.4"]
seeds = 2
recipe = {epochs = 2}
extra_tests = {corrupted = {name = "corrupted", kinds = ["pixelate", "gaussian_noise"], severities = [1, 5]}}
"""


def test_runs_are_scored_on_copies_and_shown_by_severity_and_corruption(here, tmp_path):
    here(*GRID, "--no-table", *COPIES)
    text = here("robustness").stdout
    (heading,) = [line for line in text.splitlines() if line.startswith("| method")]
    assert [cell.strip() for cell in heading.split("|")[2:7]] == ["test set", "1", "5", "all", "drop"]
    assert "| pixelate " in text
    assert here("robustness", "digits", code=2).stderr  # no suite of that name
    rows = list(
        csv.DictReader(io.StringIO(here("robustness", "--metric", "balanced_accuracy", "--format", "csv").stdout))
    )
    means = {row["test"]: float(row["mean"]) for row in rows if row["method"] == "ce"}
    assert set(means) == {
        "test", "corrupted", "corrupted-1", "corrupted-5", "corrupted.pixelate", "corrupted.gaussian_noise",
    }  # fmt: skip
    assert abs(means["corrupted"] - (means["corrupted-1"] + means["corrupted-5"]) / 2) < 1e-6
    assert means["corrupted-5"] < means["corrupted-1"]

    shown = here("table", "--extra", "corrupted-5").stdout
    assert (
        f"{means['corrupted-5']:.3f}".lstrip("0")
        in here("table", "--extra", "corrupted-5", "--metric", "balanced_accuracy").stdout
    )
    assert "test set corrupted-5" in shown
    told = here("table", "--extra", "corrupted-4", code=2).stderr
    assert "there are: corrupted (--extra)" in told
    assert "expected one of corrupted (--extra)" in here("robustness", "--extra", "x", code=2).stderr

    here("compact")
    assert here("robustness").stdout == text, "records in segments say the same"
    (tmp_path / "suite.toml").write_text(SUITE)
    here("publish", "suite.toml", "--out", "published", "--no-page", "--allow-dirty")
    here("verify", "published")


def test_what_cannot_be_is_said_in_a_sentence(here):
    assert "expected different numbers from 1" in here(*GRID, "--extra-test", "corrupted:severities=7", code=2).stderr
    assert "no corruption 'blurr'" in here(*GRID, "--extra-test", "corrupted:kinds=blurr", code=2).stderr
    assert "does not exist" in here(*GRID, "--extra-test", "medmnistc:none", code=2).stderr
    assert "--extra-test corrupted" in here("run", "-d", "corrupted", *GRID[3:], code=2).stderr
    assert "--extra-test corrupted" in here("robustness", code=2).stderr


def test_a_sheet_shows_every_corruption(here, tmp_path):
    from PIL import Image

    here("data", "preview", "digits", "--corrupted", "corrupted", "--out", "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height > 20 * 56, "a row for each of the 20 kinds of gray images"
    told = here("data", "preview", "digits", "--corrupted", "digits", "--out", "sheet.png", code=2).stderr
    assert "expected corrupted, or medmnistc:FOLDER" in told
    said = here("data", "verify", "digits", "--extra-test", "corrupted").stdout
    assert "100 corrupted copies of the 359 test images" in said
