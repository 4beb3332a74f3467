"""What people type into the cells of a table in several ways: numbers, class names, texts for no label."""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmark.datasets._spellings import one_spelling
from benchmark.datasets.base import DataError
from benchmark.datasets.table_draft import draft
from tests.datasets.hospital import write_excel
from tests.datasets.test_table import known, load, paint, parts, table, write_csv

IMAGES = 20
SPELLINGS = ("{}", "0{}", "00{}", " {} ", "{}.0", "{},0", "{}.00")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """tmp_path/images/00.png ... 19.png."""
    for i in range(IMAGES):
        paint(tmp_path / "images" / f"{i:02d}.png", i)
    return tmp_path / "images"


def rows(**columns: Sequence[Any]) -> list[tuple[Any, ...]]:
    """A table of all images; labels are a and b in turn where no column says otherwise."""
    columns = {"file": [f"{i:02d}.png" for i in range(IMAGES)], "label": ["a", "b"] * (IMAGES // 2), **columns}
    return [tuple(columns), *zip(*columns.values(), strict=True)]


def groups(path: Path, images: Path, **options: Any) -> list[str | None]:
    return [entry.group for entry in table(path, root=images, **options).listing().entries]


def test_one_patient_spelled_as_text_and_number_is_one_and_this_is_told(images: Path) -> None:
    patients = ["0139", 139, "139.0", " 139 ", *(1000 + i // 2 for i in range(IMAGES - 4))]
    path = write_excel(images.parent / "mixed.xlsx", rows(patient=patients))
    data = load(path, root=images)
    assert len({group for part in parts(data).values() for group in known(part.groups)}) == 9
    told = [note for note in data.notes if note.startswith("patients: 1 number(s) of the column 'patient'")]
    assert len(told) == 1
    assert "'0139' and '139' and '139.0'" in told[0] or "'0139' and 139 and '139.0'" in told[0]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_patients_are_as_many_as_their_numbers_however_these_are_spelled(images: Path, data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, 9), min_size=IMAGES, max_size=IMAGES).filter(lambda n: len({*n}) > 5))
    spelled = [data.draw(st.sampled_from(SPELLINGS)).format(number) for number in numbers]
    found = groups(write_csv(images.parent / "p.csv", rows(patient=spelled)), images)
    assert len(set(found)) == len(set(numbers))
    assert len(set(zip(found, numbers, strict=True))) == len(set(numbers))


@settings(deadline=None)
@given(st.sets(st.integers(0, 10**30)), st.sampled_from(SPELLINGS), st.sets(st.text()))
def test_numbers_in_one_spelling_and_other_texts_stay_as_they_are(
    numbers: set[int], spelling: str, others: set[str]
) -> None:
    texts = [*(spelling.format(number).strip() for number in numbers), *(f"P{text}" for text in others)]
    assert one_spelling(texts) == {}


def test_patients_with_leading_zeros_keep_them(images: Path) -> None:
    patients = [f"{i // 2:04d}" for i in range(IMAGES)]
    path = write_csv(images.parent / "zeros.csv", rows(patient=patients))
    assert groups(path, images) == patients
    assert not any(note.startswith("patients:") for note in table(path, root=images).listing().notes)


def test_a_thousand_with_a_point_is_not_taken_for_one(images: Path) -> None:
    patients = ["1", "1.000", *(f"P{i}" for i in range(IMAGES - 2))]
    assert groups(write_csv(images.parent / "t.csv", rows(patient=patients)), images) == patients


@pytest.mark.parametrize("only", ["1", "01", "1.0"])
def test_a_site_is_one_and_is_named_in_any_of_its_spellings(images: Path, only: str) -> None:
    path = write_excel(images.parent / "sites.xlsx", rows(site=["01", 1, "2", 2.0] * (IMAGES // 4)))
    listing = table(path, root=images, only_sites=only).listing()
    assert {entry.site for entry in listing.entries} == {"1"}
    assert len(listing.entries) == IMAGES // 2
    assert any(note.startswith("sites: 1 number(s) of the column 'site'") for note in listing.notes)
    with pytest.raises(DataError, match="only_sites names '3'"):
        table(path, root=images, only_sites="3").listing()


def test_a_site_with_a_decimal_comma_is_found_by_its_number(images: Path) -> None:
    path = write_csv(images.parent / "comma.csv", rows(site=["1,0", "1,0", "2,0", "2,0"] * (IMAGES // 4)))
    entries = table(path, root=images, only_sites="1").listing().entries
    assert [entry.site for entry in entries] == ["1,0"] * (IMAGES // 2)


def test_labels_with_a_decimal_comma_are_the_same_numbers_and_leading_zeros_are_not(images: Path) -> None:
    path = write_csv(images.parent / "labels.csv", rows(label=["1", "1,0", "2", "02"] * (IMAGES // 4)))
    listing = table(path, root=images).listing()
    assert set(listing.classes) == {"1", "2", "02"}
    assert any("'1', '1,0' are numbers with and without decimals" in note for note in listing.notes)


def test_a_class_name_misspelled_in_one_cell_is_told_with_its_row_and_what_mends_it(images: Path) -> None:
    labels = ["Basophil", "Neutrophil"] * (IMAGES // 2)
    labels[11] = "true"
    split = ["train"] * 10 + ["test"] * 10
    stray = write_csv(images.parent / "stray.csv", rows(label=labels, split=split))
    told = (
        r"stray\.csv: no training image of class 'true', which the column 'label' gives 1 image\(s\), first in row 13 "
    )
    with pytest.raises(DataError, match=told + r"\(11\.png\); expected some of every class: mend .*missing=\[x,true\]"):
        load(stray, root=images, missing="x")
    labels[11] = "Basophill"
    path = write_csv(images.parent / "typo.csv", rows(label=labels, split=split))
    with pytest.raises(DataError, match=r"\(11\.png\); did you mean 'Basophil'\? .*merge=\"Basophil\+Basophill\""):
        load(path, root=images)
    assert load(path, root=images, merge="Basophil+Basophill").num_classes == 2
    assert load(path, root=images, missing="Basophill").num_classes == 2


def test_a_class_that_is_misspelled_at_one_hospital_is_merged_at_every_hospital(images: Path) -> None:
    labels = ["Basophil", "Eosinophil"] * (IMAGES // 2)
    labels[0], labels[15] = "basophil", "Eosinophill"
    path = write_csv(images.parent / "sites.csv", rows(label=labels, site=["n"] * 10 + ["s"] * 10))
    merge = "[Basophil+basophil,Eosinophil+Eosinophill]"
    for only in ("n", "s"):
        opened = table(path, root=images, only_sites=only, merge=merge)
        assert opened.load_extra_test().classes == load(path, root=images, merge=merge).classes
        assert load(path, root=images, only_sites=only, merge=merge).num_classes == 2
        assert not any("one class" in note or "misspelled" in note for note in opened.listing().notes)
    with pytest.raises(DataError, match="no class 'Basofil'"):
        table(path, root=images, merge="Basophil+Basofil").listing()
    notes = table(path, root=images, merge="Eosinophil+Eosinophill").listing().notes
    assert any(note.startswith("classes 'Basophil', 'basophil' differ by case") for note in notes)


def test_a_text_of_missing_that_no_cell_holds_is_told_with_the_near_one(images: Path) -> None:
    path = write_csv(images.parent / "missing.csv", rows(label=["a", "b", "n/a", "b"] * (IMAGES // 4)))
    wrong = table(path, root=images, missing="N/A").listing()
    assert "missing names 'N/A', which no cell of the labels holds; did you mean 'n/a'?" in wrong.notes
    assert any("leave these images out: missing=[N/A,n/a]" in note for note in wrong.notes)
    right = table(path, root=images, missing="n/a").listing()
    assert right.classes == ("a", "b")
    assert not any("missing" in note for note in right.notes)


def drafted(folder: Path, **columns: Sequence[Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The options of a draft, and what is said of it."""
    made = draft(write_excel(folder / "d.xlsx", rows(**columns)), folder / "d.toml")
    return tomllib.loads(made.text), made.lines


def test_a_draft_tells_readers_of_whom_a_few_cells_are_spelled_otherwise(images: Path) -> None:
    reader = ["a", "b"] * (IMAGES // 2)
    options, lines = drafted(images.parent, A=reader, B=["A", *reader[1:]], C=["x", "y"] * (IMAGES // 2))
    assert options["raters"] == ["A"]
    assert "raters = 'A': it holds the same labels as 'label'" in lines
    told = [line for line in lines if "may be a reader's too" in line]
    assert told == [
        "column 'B' may be a reader's too: all but 1 cell(s) hold names of classes (A); mend these cells, or name it "
        "in raters"
    ]


@pytest.mark.parametrize("name", ["Standort", "Klinik", "Haus", "Krankenhaus", "Zentrum", "Site"])
def test_a_column_of_hospitals_is_no_reader_though_its_numbers_are_those_of_classes(images: Path, name: str) -> None:
    numbers = [1, 2] * (IMAGES // 2)
    options, _ = drafted(images.parent, label=numbers, A=numbers, **{name: numbers})
    assert (options["site"], options["raters"]) == (name, ["A"])
    options, _ = drafted(images.parent, label=numbers, A=numbers, Center=numbers, **{name: numbers})
    assert (options.get("site"), options["raters"]) == (None, ["A"])


@pytest.mark.parametrize("name", ["Aufteilung", "Teilmenge"])
def test_a_german_column_of_splits_is_found_and_followed(images: Path, name: str) -> None:
    splits = ["Training"] * 10 + ["Validierung"] * 4 + ["Test"] * 6
    path = write_csv(images.parent / "split.csv", rows(**{name: splits}))
    found = [entry.split for entry in table(path, root=images).listing().entries]
    assert found == ["train"] * 10 + ["val"] * 4 + ["test"] * 6


def test_letters_as_a_mac_writes_them_are_the_same_classes_patients_sites_readers_and_columns(images: Path) -> None:
    def mac(text: str) -> str:
        return unicodedata.normalize("NFD", text)

    columns: dict[str, Sequence[str]] = {
        "Prüfer": [("Thrombozyt", "Blutplättchen")[i % 2] for i in range(IMAGES)],
        "label": [("Blutplättchen", "Granulozyt")[i % 2] for i in range(IMAGES)],
        "patient": [f"Jäger {i // 4}" for i in range(IMAGES)],
        "site": [("Süd", "Nord")[i // 4 % 2] for i in range(IMAGES)],
    }
    mixed = {
        mac(name): [mac(text) if i % 3 else text for i, text in enumerate(column)] for name, column in columns.items()
    }
    plain = write_csv(images.parent / "plain.csv", rows(**columns))
    typed = write_csv(images.parent / "typed.csv", rows(**mixed))
    options = {"root": images, "raters": "Prüfer", "only_sites": "Süd", "label": "label"}
    expected = load(plain, **options)
    assert expected.classes == ("Blutplättchen", "Granulozyt")
    for chosen in (options, {name: mac(str(value)) for name, value in options.items()}):
        data = load(typed, **chosen)
        assert [(part.labels.tolist(), part.groups, part.sites) for part in parts(data).values()] == [
            (part.labels.tolist(), part.groups, part.sites) for part in parts(expected).values()
        ]
        assert data.classes == expected.classes
        assert table(typed, **chosen).digest() == table(plain, **options).digest()


def test_letters_as_a_mac_writes_them_are_told_as_such(images: Path) -> None:
    (images / "00.png").rename(images / unicodedata.normalize("NFC", "zelle_ä.png"))
    files = [unicodedata.normalize("NFD", "zelle_ä.png"), *(f"{i:02d}.png" for i in range(1, IMAGES))]
    notes = table(write_csv(images.parent / "mac.csv", rows(file=files)), root=images).listing().notes
    assert "1 file(s) were found in another spelling of letters such as ä, as a Mac writes them" in notes
    assert not any("upper and lower case" in note for note in notes)


@pytest.mark.parametrize(
    "names", [("Fichier", "Diagnostic", "Hôpital"), ("Nom du fichier", "Étiquette", "Établissement")]
)
def test_french_columns_are_found_with_and_without_accents(images: Path, names: tuple[str, ...]) -> None:
    columns = [[f"{i:02d}.png" for i in range(IMAGES)], ["a", "b"] * 10, ["n", "s"] * 10]
    for spelled in (names, [unicodedata.normalize("NFD", name) for name in names], [name.upper() for name in names]):
        path = write_csv(images.parent / "french.csv", [spelled, *zip(*columns, strict=True)])
        assert {entry.site for entry in table(path, root=images).listing().entries} == {"n", "s"}


def test_a_draft_of_thousands_of_columns_stays_short_and_names_those_that_mean_something(images: Path) -> None:
    genes = {f"gene {k}": [1, 2] * 10 for k in range(3000)}
    columns: dict[str, list[Any]] = {
        "label": ["a", "b"] * 10,
        **genes,
        "patient": [f"P{i // 2}" for i in range(IMAGES)],
    }
    path = write_csv(images.parent / "genes.csv", rows(**columns))
    text = draft(path, images.parent / "d.toml").text
    assert tomllib.loads(text)["patient"] == "patient"
    assert len(text.splitlines()) < 100
    assert '#   "patient"' in text
    assert '#   "gene 39" ' in text
    assert '#   and 2960 further columns, behind "gene 39"' in text
    with pytest.raises(DataError, match=r"no column 'Pathient'; did you mean 'patient'\?") as refused:
        table(path, root=images, patient="Pathient").listing()
    assert len(str(refused.value)) < 1000


def test_rows_that_name_a_file_twice_are_counted_at_the_sites_that_are_read(images: Path) -> None:
    given = rows(site=["n"] * 6 + ["s"] * 14)
    path = write_csv(images.parent / "twice.csv", [*given, given[2], given[11], given[12], given[12]])
    for only, count in (("n", 1), ("s", 3), ("n+s", 4)):
        notes = table(path, root=images, only_sites=only).listing().notes
        assert f"{count} row(s) name a file that another row names too" in notes


def test_how_files_were_found_is_said_of_the_sites_that_are_read(images: Path) -> None:
    files = [f"{i:02d}" for i in range(IMAGES)]
    path = write_csv(images.parent / "names.csv", rows(file=files, site=["n"] * 6 + ["s"] * 14))
    notes = table(path, root=images, only_sites="n").listing().notes
    assert "6 file(s) were found by their names without suffix" in notes
