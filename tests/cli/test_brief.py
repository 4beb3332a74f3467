"""`noisybench brief`: one page from what is known, which names what is lacking and stays on the machine."""

from __future__ import annotations

import base64
import html
import io
import re
import shlex
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pypdf import PdfReader

from benchmark.store import checksums, kept
from benchmark.store.store import Store
from tests.datasets.hospital import write_study

DATA = ("-d", "npz:cells.npz")
RUNS = ("run", *DATA, "-m", "ce", "-m", "gce", "--seeds", "2", "--epochs", "2", "--no-table")
QUICK = ("--epochs", "2", "--folds", "2", "--top", "0")
BRIEF = ("brief", *DATA, "--suspects", "suspects", "--out", "brief")


def page(folder):
    return " ".join((folder / "brief.html").read_text().replace("\N{NO-BREAK SPACE}", " ").split())


@pytest.fixture
def suspects(here, cells):
    """Of data with 24 wrong labels, so that there are some to show."""
    with np.load(cells) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["train_labels"][:24] = (arrays["train_labels"][:24] + 1) % 3
    np.savez(cells, **arrays)
    here("suspects", *DATA, *QUICK, "--all-splits", "--out", "suspects")
    return cells.parent / "suspects"


def test_without_runs_the_page_is_made_and_names_what_supplies_them(here, suspects, tmp_path):
    done = here("brief", *DATA, "--suspects", "suspects", "--results", "elsewhere", "--out", "brief")
    made = page(tmp_path / "brief")
    for part, command in (
        ("Training methods and how well they recognise each class", "noisybench advise -d npz:cells.npz --results"),
        ("What reading in the order of the list would find", "noisybench brief -d npz:cells.npz --results elsewhere"),
    ):
        assert f"<strong>{part}</strong>" in made
        assert f"<code>{command}" in made
        assert command in done.stderr
    assert "360 images in 3 classes were read. Nothing was left out." in made
    assert "Which images are of one patient is not known" in made
    assert "suspects/suspects.csv" in made
    assert made.count("<img ") == 12
    assert (tmp_path / "brief" / ".private").is_file()
    assert (tmp_path / "brief" / ".gitignore").read_text() == "*\n"
    (sheet, *_) = PdfReader(tmp_path / "brief" / "brief.pdf").pages
    assert "What this page can and cannot tell" in sheet.extract_text()


def test_runs_on_these_labels_are_shown_and_others_are_not(here, suspects, tmp_path):
    here(*RUNS, "-n", "as_is", "--keep", "predictions", "--extra-test", "other=npz:cells.npz")
    here(*RUNS, "-n", "symmetric:0.3", "--keep", "predictions", "--extra-test", "other=npz:cells.npz")
    with np.load(tmp_path / "cells.npz") as file:
        changed = {name: file[name] for name in file.files}
    changed["train_labels"][0] = (changed["train_labels"][0] + 1) % 3
    np.savez(tmp_path / "others.npz", **changed)
    here("run", "-d", "npz:others.npz", *RUNS[3:], "-n", "as_is", "--keep", "predictions")
    here(*BRIEF)
    made = page(tmp_path / "brief")
    assert "Train as usual (ce): 60 validation images are too few to tell training methods apart." in made
    assert "2 training methods learned from the labels as they are, 2 times each" in made
    assert "4 runs of other networks, settings or labels are not shown here." in made
    assert "noisybench run -d npz:cells.npz -b cnn -m ce -n as_is --seeds 2 --recipe epochs=2 --keep model" in made
    store = Store(tmp_path / "results")
    ids = re.search(r"Runs of ce: ([0-9a-f, ]+)", made)[1].split(", ")
    arrays = [kept.read_predictions(store, run) for run in ids]
    right = np.mean([(one["test/val_noisy"].argmax(1) == one["test/labels"]).mean() for one in arrays])
    assert len(arrays) == 2
    assert f"recognises {100 * right:.0f} %" in made
    assert "60 images of other were learned from too" not in made
    assert f"Of the images of other it recognises {100 * right:.0f} %" in made
    assert "as many as of the test images" in made


def test_runs_of_the_network_that_is_asked_for_are_shown_and_else_the_best(here, suspects, tmp_path):
    kept_runs = ("-n", "as_is", "--keep", "predictions", "--no-table")
    here("run", *DATA, "-m", "ce", "-m", "gce", "--seeds", "3", "--epochs", "1", "--recipe", "lr=1e-7", *kept_runs)
    here(*RUNS, *kept_runs)
    here(*RUNS, "-b", "cnn:frozen=true", "--recipe", "lr=1e-7", *kept_runs)
    here(*BRIEF)
    made = page(tmp_path / "brief")
    assert "A network that is trained so (cnn) recognises" in made
    assert "2 times each" in made, "not the three seeds of the network that has learned nothing"
    here(*BRIEF[:-1], "frozen", "-b", "cnn:frozen=true")
    frozen = page(tmp_path / "frozen")
    assert "A network that is trained so (cnn:frozen=true) recognises" in frozen
    again = shlex.split(html.unescape(re.search(r"To train it: <code>(.+?)</code>", frozen)[1]))
    assert "2 runs, 0 already done, 2 to run (2 of them for the files to keep)" in here(*again[1:], "--dry-run").stderr


def test_labels_that_were_read_before_are_told_and_not_called_doubtful(here, suspects, tmp_path):
    table = pd.read_csv(suspects / "suspects.csv", dtype=str, keep_default_na=False)
    doubtful = (table["given_class"] != table["suggested_class"]).to_numpy().nonzero()[0]
    table.loc[doubtful[:5], ["decision", "new_label"]] = ["relabel", ""]
    table.loc[doubtful[:5], "new_label"] = table.loc[doubtful[:5], "suggested_class"]
    table.loc[doubtful[5], "decision"] = "drop"
    table.to_csv(suspects / "suspects.csv", index=False)
    here(*BRIEF)
    shown = page(tmp_path / "brief")
    assert "people have read 6 labels again" in shown
    for row in table.loc[doubtful[:6]].itertuples():
        assert f"{row.split} {row.index}<" not in shown
    here("relabel", "apply", "suspects/suspects.csv", *DATA, "--out", "labels.csv")
    read = ("-d", "npz:cells.npz,labels=labels.csv")
    here("suspects", *read, *QUICK, "--all-splits", "--out", "second")
    here("brief", *read, "--suspects", "second", "--out", "corrected")
    corrected = page(tmp_path / "corrected")
    assert "people have read 6 labels again" in corrected
    assert "Left out: 1 image to which labels.csv gives no label." in corrected


def test_runs_without_predictions_are_no_source(here, suspects, tmp_path):
    here(*RUNS, "-n", "as_is")
    assert "no run on these labels as they are has kept its predictions" in here(*BRIEF).stderr


@pytest.mark.slow
def test_what_a_reader_decided_and_a_trial_are_told(here, suspects, tmp_path):
    lines = (suspects / "suspects.csv").read_text().splitlines()
    lines[1:4] = [f"{line.removesuffix(',,,,')},keep,,ab," for line in lines[1:4]]
    (suspects / "suspects.csv").write_text("\n".join(lines) + "\n")
    made_from_folder = here(*BRIEF)
    assert "3 labels again" in page(tmp_path / "brief")
    assert "--simulate" in made_from_folder.stderr
    alone = here("brief", *DATA, "--simulate", "--out", "alone")
    assert "360 labels are judged by 5 folds of cnn" in alone.stderr
    made = page(tmp_path / "alone")
    assert "This was tried out: as many labels were made wrong by chance" in made
    assert "noisybench suspects -d npz:cells.npz --all-splits --out suspects" in made


def test_nothing_of_it_is_published(here, suspects, tmp_path):
    (tmp_path / "suite.toml").write_text(
        'datasets = ["npz:cells.npz"]\nmethods = ["ce", "gce"]\nnoise = ["as_is"]\nseeds = 2\nkeep = "predictions"\n'
        "[recipe]\nepochs = 2\n"
    )
    here("run", "suite.toml", "--no-table")
    here(*BRIEF[:-1], "results/brief")
    here("publish", "suite.toml", "--out", "published", "--allow-dirty")
    written = [path for path in (tmp_path / "published").rglob("*") if path.is_file()]
    shown = re.findall(r'src="data:image/png;base64,(.+?)"', page(tmp_path / "results" / "brief"))
    assert len(shown) == 12
    for path in written:
        content = path.read_bytes()
        assert "brief" not in path.name
        assert not any(image.encode() in content or base64.b64decode(image) in content for image in shown)
    assert checksums.NAME in {path.name for path in written}
    assert "published folder" in here(*BRIEF[:-1], "published/inside", code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-d", "digits", "--suspects", "suspects"), "suspects is of other data or labels than digits"),
        ((*DATA, "--suspects", "empty"), "empty holds no result of `noisybench suspects`"),
        (("-d", "chestmnist", "--data-root", "."), "has several labels an image; expected a data set with one"),
        (("-d", "npz:absent.npz"), "absent.npz"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*not the official file")
def test_what_the_page_cannot_be_made_of_is_refused_with_a_sentence(here, suspects, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    arrays: dict[str, Any] = {}
    for split in ("train", "val", "test"):
        arrays |= {f"{split}_images": np.zeros((6, 28, 28), np.uint8), f"{split}_labels": np.eye(6, 14, dtype=np.uint8)}
    np.savez(tmp_path / "chestmnist.npz", **arrays)
    assert message in " ".join(here("brief", *arguments, "--out", "brief", code=2).stderr.split())
    assert not (tmp_path / "brief").exists()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_from_a_folder_and_an_excel_file_to_the_page_in_five_commands(here, tmp_path):
    study = write_study(tmp_path, patients=240, wrong=0.15, faults=True)
    drafted = here("data", "describe", "labels.xlsx", "--out", "study.toml").stdout
    assert "patient = 'Patient ID'" in drafted
    assert "raters = 'Reader A', 'Reader B', 'Reader C'" in drafted
    # What the reader of the draft corrects.
    with (tmp_path / "study.toml").open("a") as toml:
        toml.write('skip_corrupt = true\nonly_sites = ["North"]\nsize = 32\n')

    told = here("data", "info", "table:study.toml").stdout
    assert "120 patients" in told
    assert "rows of one file differ in the label" in told

    ranked = here("suspects", "-d", "table:study.toml", "--all-splits", "--out", "suspects")
    assert "estimated noise rate" in ranked.stdout
    assert 'the labels of Reader A, Reader B, Reader C are not looked at; --raters "Reader A,Reader B' in ranked.stderr

    other = "South=table:study.toml,only_sites=South"
    short = ("-m", "ce", "-m", "gce", "--seeds", "2", "--epochs", "6")
    advised = here("advise", "-d", "table:study.toml", "--extra-test", other, *short).stdout
    assert "Which method to use" in advised

    here("brief", "-d", "table:study.toml", "--suspects", "suspects", "--simulate", "--out", "brief")
    made = page(tmp_path / "brief")
    reader = PdfReader(io.BytesIO((tmp_path / "brief" / "brief.pdf").read_bytes()))
    on_paper = " ".join(" ".join(one.extract_text() for one in reader.pages).split())
    for said in (
        f"479 images of 120 patients in 3 classes were read. Left out: 1 file(s): rows of one file differ in the "
        f"label: eosinophil and basophil ({study.contradicted}).",
        "No patient is in two of them.",
        "images from North",
        "2 row(s) name a file that another row names too",
        "Krippendorff's alpha",
        "Reader A",
        "This was tried out",
        "validation images are too few to tell training methods apart.",
        "Images of South",
        "not a PNG, JPEG, TIFF, BMP, WebP or DICOM image",
        "8 and 16 bit(s) per channel",
        "intervals (95 %) are over patients",
        "Can its certainty be believed",
    ):
        assert said in html.unescape(made)
        assert said in on_paper.replace("\N{NO-BREAK SPACE}", " ")
    assert made.count("<img ") == 12
    shown = set(re.findall(r"<figcaption><b>(.*?)</b>", made))
    assert len(shown & study.wrong) >= 6, "half of the labels that are shown first are wrong"
    in_words = re.sub(r"base64,[^\"]*", "", made)
    assert not any(row[2] in in_words for row in study.rows), "no patient is named"
    assert "What this page lacks" not in made
