"""A table of labels and a folder of images, as a hospital has them: from the files to the splits."""

from __future__ import annotations

import csv
import random
import shutil
import warnings
import zipfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from benchmark.datasets.base import Arrays, Data, DataError
from benchmark.datasets.cache import cached
from benchmark.datasets.table import Table
from benchmark.datasets.table_draft import draft
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.resolve import make_dataset, resolve_dataset
from tests.datasets.hospital import CLASSES, HEADER, READERS, Study, write_excel, write_study

OPTIONS = {"file": "Image", "label": "Diagnosis", "patient": "Patient ID", "site": "Hospital", "skip_corrupt": True}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return write_study(tmp_path_factory.mktemp("study"))


def table(path: Path, **options: Any) -> Table:
    return Table("table", Table.Config.model_validate({"path": path, "size": 16, **options}))


def load(path: Path, **options: Any) -> Data:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # small splits without a class
        return table(path, **options).load()


def parts(data: Data) -> dict[str, Arrays]:
    return {"train": data.train, "test": data.test} | ({} if data.val is None else {"val": data.val})


def known(names: tuple[str, ...] | None) -> tuple[str, ...]:
    """What an image is known by: its file, group, site."""
    assert names is not None
    return names


def column(study: Study, name: str) -> dict[str, Any]:
    return {row[0]: row[HEADER.index(name)] for row in study.rows}


def write_csv(path: Path, rows: Iterable[Any]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def paint(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), value).save(path)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """tmp_path/images/00.png ... 19.png."""
    for i in range(20):
        paint(tmp_path / "images" / f"{i:02d}.png", i)
    return tmp_path


def small_rows() -> list[list[Any]]:
    return [["file", "label"], *([f"{i:02d}.png", "ab"[i % 2]] for i in range(20))]


def test_every_image_has_the_label_patient_site_and_readings_of_its_row(study: Study) -> None:
    data = load(study.table, root=study.images, raters=READERS, **OPTIONS)
    assert data.classes == CLASSES
    assert sum(map(len, parts(data).values())) == len(study.rows) - 1
    assert [*data.skipped] == [study.broken]
    for part in parts(data).values():
        for i, file in enumerate(known(part.files)):
            assert CLASSES[part.labels[i]] == column(study, "Diagnosis")[file]
            assert known(part.groups)[i] == column(study, "Patient ID")[file]
            assert known(part.sites)[i] == column(study, "Hospital")[file]
            for reader in READERS:
                reading = column(study, reader)[file]
                assert part.given[reader][i] == (-1 if reading is None else CLASSES.index(reading))


def test_no_patient_is_in_two_splits_whatever_the_seed(study: Study) -> None:
    for seed in range(3):
        data = load(study.table, root=study.images, split_seed=seed, **OPTIONS)
        patients = [set(known(part.groups)) for part in parts(data).values()]
        assert sum(map(len, patients)) == len(set.union(*patients)) == 30
        assert "30 patients" in " ".join(data.notes)
        shares = {name: len(part) / 119 for name, part in parts(data).items()}
        assert shares == pytest.approx({"train": 0.7, "test": 0.2, "val": 0.1}, abs=0.05)


def test_16_bit_images_are_scaled_by_one_rule_and_sizes_may_differ(study: Study) -> None:
    images = load(study.table, root=study.images, **OPTIONS).images
    assert images is not None
    assert (images["bit_depths"], images["values"]) == ([8, 16], [0, 4095])
    assert images["smallest"] != images["largest"]


def test_without_labels_the_majority_of_the_raters_is_taken_and_ties_are_told(study: Study) -> None:
    options = {name: value for name, value in OPTIONS.items() if name != "label"}
    data = load(study.table, root=study.images, raters=READERS, **options)
    read = 0
    for row in study.rows:
        readings = [reading for reading in row[4:7] if reading is not None]
        for part in parts(data).values():
            if row[0] in known(part.files):
                read += 1
                label = data.classes[part.labels[known(part.files).index(row[0])]]
                assert readings.count(label) == max(map(readings.count, readings))
    assert read == sum(any(row[4:7]) for row in study.rows if row[0] != study.broken)
    ties = sum(
        len({r for r in row[4:7] if r and row[4:7].count(r) == max(map(row[4:7].count, filter(None, row[4:7])))}) > 1
        for row in study.rows
        if any(row[4:7])
    )
    assert ties
    assert any(note.startswith(f"the raters of {ties} image(s)") for note in data.notes)
    assert any("label=Diagnosis takes that column instead" in note for note in data.notes)
    again = load(study.table, root=study.images, raters=READERS, **options)
    assert np.array_equal(again.train.labels, data.train.labels)


def test_one_hospital_is_trained_on_and_the_other_tests(study: Study) -> None:
    north = load(study.table, root=study.images, only_sites="North", **OPTIONS)
    assert {site for part in parts(north).values() for site in known(part.sites)} == {"North"}
    south = table(study.table, root=study.images, only_sites=["South"], **OPTIONS).load_extra_test()
    assert set(known(south.test.sites)) == {"South"}
    assert len(south.test) + sum(map(len, parts(north).values())) == 119
    with pytest.raises(DataError, match=r"only_sites names 'East'; expected some of 'North', 'South'"):
        load(study.table, root=study.images, only_sites="East", **OPTIONS)


def test_a_column_of_splits_is_followed_and_a_patient_in_two_is_told(study: Study, tmp_path: Path) -> None:
    splits = [("Training", "test", "train")[i // 3 % 3] for i in range(len(study.rows))]
    rows = [(*HEADER, "Split"), *((*row, split) for row, split in zip(study.rows, splits, strict=True))]
    path = write_excel(tmp_path / "split.xlsx", rows)
    data = load(path, root=study.images, split="Split", **OPTIONS)
    expected = {row[0] for row, split in zip(study.rows, splits, strict=True) if split == "test"} - {study.broken}
    assert set(known(data.test.files)) == expected
    (told,) = [note for note in data.notes if "two splits" in note]
    assert told.startswith("20 of 30 patients have images in two splits of the table")
    assert "P000 (train and test)" in told
    assert not set(known(data.train.groups)) & set(known(parts(data)["val"].groups)), (
        "the validation images are taken by patient"
    )
    rows[1] = (*rows[1][:-1], "tset")
    with pytest.raises(DataError, match=r"the column 'Split' holds 'tset'; expected train, val or test"):
        load(write_excel(tmp_path / "wrong.xlsx", rows), root=study.images, split="Split", **OPTIONS)


def test_validation_images_are_taken_from_the_training_images_where_the_table_names_none(small: Path) -> None:
    rows = [[*row, "train" if i < 15 else "test"] for i, row in enumerate(small_rows())]
    rows[0][2] = "split"
    data = load(write_csv(small / "v.csv", rows), root=small / "images")
    assert (len(data.train), len(parts(data)["val"]), len(data.test)) == (13, 1, 6)
    assert "a tenth of the training images is taken for validation" in data.notes


def test_columns_are_guessed_where_one_fits_and_this_is_told(study: Study, tmp_path: Path) -> None:
    data = load(study.table, root=study.images, skip_corrupt=True)
    assert "columns were guessed by their names: file=Image, label=Diagnosis, patient=Patient ID" in data.notes[0]
    assert data.train.groups is not None
    with pytest.raises(DataError, match=r"which column holds the files\?.*'Image' may be meant.*expected file=COLUMN"):
        load(study.table, root=study.images, guess=False)
    two = write_excel(tmp_path / "two.xlsx", [(*HEADER[:2], "Class"), *((*row[:2], row[1]) for row in study.rows)])
    with pytest.raises(DataError, match=r"which column holds the labels\? \('Diagnosis', 'Class' may be meant\)"):
        load(two, root=study.images)


@pytest.mark.parametrize(
    "name", ["Patienten-Nr", "PatientenNr.", "Fallnummer", "MRN", "Case ID", "N° patient", "Numéro du patient"]
)
def test_a_patient_column_is_found_under_the_names_that_hospitals_use(study: Study, tmp_path: Path, name: str) -> None:
    header = tuple(name if column == "Patient ID" else column for column in HEADER)
    data = load(write_excel(tmp_path / "named.xlsx", [header, *study.rows]), root=study.images, skip_corrupt=True)
    assert f"patient={name}" in data.notes[0]
    assert data.train.groups is not None


def test_without_a_patient_column_it_is_told_what_that_may_mean(study: Study, tmp_path: Path) -> None:
    header = tuple("Akte" if column == "Patient ID" else column for column in HEADER)
    path = write_excel(tmp_path / "named.xlsx", [header, *study.rows])
    data = load(path, root=study.images, skip_corrupt=True)
    assert any(note.startswith("no column says whose images they are") for note in data.notes)
    (line,) = [line for line in draft(path, tmp_path / "study.toml", root=study.images).lines if "patient" in line]
    assert "'Akte' (30 different" in line
    both = [(*row, row[HEADER.index("Patient ID")]) for row in study.rows]
    two = write_excel(tmp_path / "two.xlsx", [(*HEADER, "Case"), *both])
    assert "'Patient ID', 'Case' may hold the patients: none was taken; name one, patient=COLUMN" in " ".join(
        load(two, root=study.images, skip_corrupt=True).notes
    )


def test_files_of_a_hospital_that_is_not_read_are_not_told_as_missing(small: Path) -> None:
    header, *rows = small_rows()
    rows = [[*row, "North" if i // 2 % 2 else "South"] for i, row in enumerate(rows)]
    rows.append(["nowhere.png", "a", "South"])
    path = write_csv(small / "sites.csv", [[*header, "site"], *rows])
    assert "nowhere.png" in " ".join(table(path, root=small / "images").listing().unusable)
    assert not table(path, root=small / "images", only_sites="North").listing().unusable


def test_one_raters_labels_may_be_the_labels_and_other_columns_mean_one_thing(study: Study) -> None:
    options = {**OPTIONS, "label": READERS[0], "raters": READERS}
    data = load(study.table, root=study.images, **options)
    assert np.array_equal(data.train.labels, data.train.given[READERS[0]])
    with pytest.raises(DataError, match="the column 'Hospital' is named twice"):
        load(study.table, root=study.images, **{**options, "split": "Hospital"})


def test_an_unknown_column_is_refused_with_the_nearest_one(study: Study) -> None:
    with pytest.raises(DataError, match=r"no column 'Patientid'; did you mean 'Patient ID'\?"):
        load(study.table, root=study.images, patient="Patientid")


def test_kind_of_file_order_of_rows_and_other_columns_do_not_change_the_data(study: Study, tmp_path: Path) -> None:
    rows = [row[:-1] for row in study.rows]
    random.Random(0).shuffle(rows)
    other = write_csv(tmp_path / "labels.csv", [HEADER[:-1], *rows])
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(study.images.rglob("*.*")):
            file.write(path, path.relative_to(study.images))
    one = table(study.table, root=study.images, raters=READERS, **OPTIONS)
    two = table(other, root=archive, raters=READERS, **OPTIONS)
    assert one.digest() == two.digest()
    first, second = one.load(), two.load()
    assert first.train.files == second.train.files
    assert np.array_equal(first.train.images, second.train.images)


@pytest.mark.parametrize("place", [0, 1, 2, 3, 4])
def test_every_column_that_is_read_is_in_the_digest(study: Study, tmp_path: Path, place: int) -> None:
    options = {**OPTIONS, "root": study.images, "raters": READERS}
    before = table(study.table, **options).digest()
    rows = [list(row) for row in study.rows]
    others = (row[place] for row in study.rows if row[place] not in (None, rows[3][place]))
    rows[3][place] = next(others) if place else "north/none.png"
    changed = write_excel(tmp_path / "changed.xlsx", [HEADER, *map(tuple, rows)])
    assert table(changed, **options).digest() != before


def test_a_toml_file_is_the_options_beside_it(study: Study, tmp_path: Path) -> None:
    shutil.copytree(study.table.parent, tmp_path / "study")
    toml = tmp_path / "study" / "study.toml"
    toml.write_text('path = "labels.xlsx"\nroot = "images"\nlabel = "Diagnosis"\nraters = ["Reader A"]\nsize = 16\n')
    (named,) = (make_dataset(PluginRef.of(f"table:{toml}"), tmp_path)[0],)
    spelled, _ = make_dataset(
        PluginRef.of(
            f"table:{toml.parent}/labels.xlsx,root={toml.parent}/images,label=Diagnosis,raters=[Reader A],size=16"
        ),
        tmp_path,
    )
    assert named.cfg == spelled.cfg
    ref = PluginRef.of(f"table:{toml},size=32")
    larger, _ = make_dataset(ref, tmp_path)
    assert (larger.cfg.size, larger.cfg.label) == (32, "Diagnosis")
    config = resolve_dataset(ref, larger).part.config
    assert config["path"].startswith("sha256:")
    assert config["path"] != config["root"]


def test_faults_of_a_toml_file_are_told(study: Study, tmp_path: Path) -> None:
    toml = tmp_path / "study.toml"
    for text, told in (
        ("path = labels.xlsx", "cannot be read as TOML"),
        ('label = "Diagnosis"', r'names no table; expected a line path = "labels.xlsx"'),
    ):
        toml.write_text(text)
        with pytest.raises(ValidationError, match=told):
            table(toml)


def test_groups_and_sites_survive_the_cache_and_are_taken_with_their_images(study: Study, tmp_path: Path) -> None:
    one = table(study.table, root=study.images, raters=READERS, **OPTIONS)
    for _ in range(2):
        data = cached(one, tmp_path / "cache")
        assert known(data.train.groups) == load(study.table, root=study.images, **OPTIONS).train.groups
        assert set(known(data.test.sites)) <= {"North", "South"}
        assert dict(data.skipped) == {study.broken: "not a PNG, JPEG, TIFF, BMP, WebP or DICOM image"}
    chosen = data.train.take(np.array([5, 2]))
    assert chosen.groups == (known(data.train.groups)[5], known(data.train.groups)[2])
    assert chosen.sites == (known(data.train.sites)[5], known(data.train.sites)[2])


def test_rows_of_one_file_are_merged_and_contradictions_are_named(small: Path) -> None:
    rows = small_rows()
    once = load(write_csv(small / "once.csv", rows), root=small / "images")
    twice = load(write_csv(small / "twice.csv", [*rows, *rows[1:4]]), root=small / "images")
    assert once.train.files == twice.train.files
    assert any(note == "3 row(s) name a file that another row names too" for note in twice.notes)
    wrong = write_csv(small / "wrong.csv", [*rows, ["03.png", "a"], ["05.png", "a"]])
    with pytest.raises(
        DataError, match=r"2 file\(s\): rows of one file differ in the label: b and a \(03\.png, 05\.png\)"
    ):
        load(wrong, root=small / "images")
    left = load(wrong, root=small / "images", skip_corrupt=True)
    assert set(left.skipped) == {"03.png", "05.png"}
    assert not any("not in the table" in note for note in left.notes)


def test_readings_of_one_image_may_stand_in_several_rows(small: Path) -> None:
    rows = [["file", "A", "B"]]
    for i in range(20):
        rows += [[f"{i:02d}.png", "ab"[i % 2], ""], [f"{i:02d}.png", "", "ab"[i % 2]]]
    data = load(write_csv(small / "long.csv", rows), root=small / "images", raters="A+B")
    assert all((labels == data.train.labels).all() for labels in data.train.given.values())


def test_images_without_label_split_or_file_are_left_out_and_counted(small: Path) -> None:
    rows = [[*row, "train" if i < 12 else "test"] for i, row in enumerate(small_rows())]
    rows[0][2] = "split"
    rows[2][1], rows[3][1], rows[5][2] = "", "unclear", ""
    rows.append(["", "a", "train"])
    data = load(write_csv(small / "gaps.csv", rows), root=small / "images", missing="unclear")
    assert sum(map(len, parts(data).values())) == 17
    for told in ("1 row(s) name no file", "2 image(s) have no label", "1 image(s) have no split"):
        assert any(told in note for note in data.notes), data.notes


def test_files_are_found_by_what_people_write_and_ambiguous_ones_are_not(small: Path) -> None:
    for i in range(20):
        (small / "images" / f"{i:02d}.png").rename(small / "images" / f"{i:04d}.PNG")
    written = [f"{i:04d}.PNG" for i in range(4)]
    written += [f"{i:04d}.png" for i in range(4, 8)]
    written += [f"{i:04d}" for i in range(8, 12)]
    written += [f"C:\\study\\{i:04d}.PNG" for i in range(12, 16)]
    written += [str(i) for i in range(16, 20)]
    rows = [["file", "label"], *([name, "ab"[i % 2]] for i, name in enumerate(written))]
    data = load(write_csv(small / "names.csv", rows), root=small / "images")
    assert sorted(file for part in parts(data).values() for file in known(part.files)) == [
        f"{i:04d}.PNG" for i in range(20)
    ]
    for told in ("spelling of upper and lower case", "without suffix", "in another folder", "without leading zeros"):
        assert any(told in note and note.startswith("4 file(s)") for note in data.notes), data.notes
    paint(small / "images" / "copy" / "0012.PNG", 3)
    with pytest.raises(DataError, match=r"stands for several files: 0012\.PNG, copy/0012\.PNG"):
        load(small / "names.csv", root=small / "images")


def test_names_that_lead_out_of_the_folder_are_refused(small: Path) -> None:
    paint(small / "secret.png", 9)
    rows = [*small_rows(), ["../secret.png", "a"]]
    with pytest.raises(DataError, match=r"leads out of the folder of images \(\.\./secret\.png\)"):
        load(write_csv(small / "out.csv", rows), root=small / "images")


def test_absent_files_are_one_line_and_a_wrong_folder_is_told(small: Path) -> None:
    rows = [*small_rows(), *([f"x{i}.png", "a"] for i in range(9))]
    path = write_csv(small / "absent.csv", rows)
    with pytest.raises(DataError, match="9 of 29 files") as caught:
        load(path, root=small / "images")
    (line,) = str(caught.value).splitlines()[1:]
    assert line == "  9 file(s): named in the table, and absent (x0.png, x1.png, x2.png, x3.png, x4.png, ...)"
    (small / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds none of the 29 files that the column 'file'.*give the folder as root"):
        load(path, root=small / "empty")


def test_dates_in_the_place_of_names_and_labels_are_refused(small: Path) -> None:
    rows = [tuple(row) for row in small_rows()]
    rows[4] = (datetime(2021, 3, 12), "a")
    with pytest.raises(DataError, match=r"1 cell\(s\) of the column 'file' are dates \(row 5: 2021-03-12\).*as text"):
        load(write_excel(small / "dates.xlsx", rows), root=small / "images")
    rows[4] = ("03.png", datetime(2021, 3, 12))
    with pytest.raises(DataError, match="expected labels"):
        load(write_excel(small / "dates2.xlsx", rows), root=small / "images")


def test_numbers_stored_as_text_are_the_same_labels_and_this_is_told(small: Path) -> None:
    rows = [("file", "label"), *((f"{i:02d}.png", (0, "1", 1.0, "0")[i % 4]) for i in range(20))]
    data = load(write_excel(small / "numbers.xlsx", rows), root=small / "images")
    assert data.classes == ("0", "1")
    assert any(note.startswith("10 label(s) of the column 'label' are numbers stored as text") for note in data.notes)


def test_numbered_classes_are_in_the_order_of_their_numbers(small: Path) -> None:
    rows = [["file", "label"], *([f"{i:02d}.png", (2, 10, 1)[i % 3]] for i in range(20))]
    assert load(write_csv(small / "n.csv", rows), root=small / "images").classes == ("1", "2", "10")


def test_doubtful_class_names_are_told(small: Path) -> None:
    rows = [["file", "label"], *([f"{i:02d}.png", ("Benign", "benign ", "malignant")[i % 3]] for i in range(20))]
    data = load(write_csv(small / "c.csv", rows), root=small / "images")
    assert data.classes == ("Benign", "benign", "malignant")
    assert any("'Benign', 'benign' differ by case" in note for note in data.notes)


def test_an_empty_patient_is_refused_as_images_of_one_must_stay_together(study: Study, tmp_path: Path) -> None:
    rows = [list(row) for row in study.rows]
    rows[5][2] = None
    path = write_excel(tmp_path / "merged.xlsx", [HEADER, *map(tuple, rows)])
    with pytest.raises(DataError, match=r"the column 'Patient ID' is empty for 1 image\(s\), such as south/cell_0005"):
        load(path, root=study.images, **OPTIONS)


@pytest.mark.parametrize(
    ("labels", "told"),
    [(["a"] * 20, r"holds 1 class\(es\) \(a\), expected two"), ([f"{i}.5" for i in range(20)], "20 different labels")],
)
def test_a_column_that_holds_no_classes_is_refused(small: Path, labels: list[str], told: str) -> None:
    rows = [["file", "label"], *([f"{i:02d}.png", label] for i, label in enumerate(labels))]
    with pytest.raises(DataError, match=told):
        load(write_csv(small / "c.csv", rows), root=small / "images")


def test_pages_of_a_tiff_are_refused_or_the_first_or_all_in_one_split(small: Path) -> None:
    rows = small_rows()
    for i in range(20):
        pages = [Image.new("L", (8, 8), 10 * i + k) for k in range(3)]
        pages[0].save(small / "images" / f"{i:02d}.tif", save_all=True, append_images=pages[1:])
    rows = [[str(name).replace("png", "tif"), label] for name, label in rows]
    path = write_csv(small / "pages.csv", rows)
    with pytest.raises(DataError, match="holds 3 images, expected one.*pages=first or pages=all"):
        load(path, root=small / "images")
    first = load(path, root=small / "images", pages="first")
    assert {int(image.mean()) % 10 for image in first.train.images} == {0}
    every = load(path, root=small / "images", pages="all")
    files = [{file.split("#")[0] for file in known(part.files)} for part in parts(every).values()]
    assert sum(map(len, files)) == len(set.union(*files)) == 20
    assert sum(map(len, parts(every).values())) == 60
    assert {file.split("#")[1] for file in every.train.files} == {"1", "2", "3"}


def test_classes_may_be_merged_and_left_out(study: Study) -> None:
    data = load(study.table, root=study.images, merge="basophil+eosinophil", alias="mine", **OPTIONS)
    assert (data.name, data.classes) == ("mine", ("basophil + eosinophil", "neutrophil"))
    assert data.train.groups is not None


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_split_by_patient_keeps_patients_whole(small: Path, data: st.DataObject) -> None:
    patients = data.draw(st.lists(st.integers(0, 7), min_size=20, max_size=20).filter(lambda ids: len({*ids}) > 5))
    rows = [["file", "label", "patient"], *([f"{i:02d}.png", "ab"[i % 2], f"p{patients[i]}"] for i in range(20))]
    one = table(write_csv(small / "p.csv", rows), root=small / "images", split_seed=data.draw(st.integers(0, 3)))
    listing = one.listing()
    places: dict[str, set[str]] = {}
    for entry in listing.entries:
        places.setdefault(str(entry.group), set()).add(entry.split)
    assert all(len(splits) == 1 for splits in places.values())
    assert len(listing.entries) == 20


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        ({3: (1, 1), 4: (1, 1)}, "2 image(s) have less than a quarter of the usual 8 px a side, such as 1x1 px"),
        ({5: (40, 8)}, "1 image(s) have more than 4 times the usual 8 px a side, such as 40x8 px"),
        ({3: (2, 2), 5: (32, 32)}, None),
    ],
)
def test_images_far_from_the_usual_size_are_told(
    small: Path, odd: dict[int, tuple[int, int]], told: str | None
) -> None:
    for i, size in odd.items():
        Image.new("L", size, 9).save(small / "images" / f"{i:02d}.png")
    notes = load(write_csv(small / "t.csv", small_rows()), root=small / "images").notes
    assert [note.split(":")[0] for note in notes if "the usual" in note] == ([told] if told else [])
