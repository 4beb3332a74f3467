"""Which column of a table means what: as the options say, and guessed where they do not and exactly one fits."""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from benchmark.datasets.base import DataError

USUAL_NAMES = {
    "file": (
        "file", "filename", "files", "filepath", "path", "imagepath", "imagefile", "imagefilename", "image", "images",
        "imagename", "imageid", "img", "picture", "datei", "dateiname", "bild", "bilddatei", "fichier", "nomdufichier",
        "nomfichier", "cheminfichier",
    ),
    "label": (
        "label", "labels", "class", "classname", "diagnosis", "dx", "target", "category", "groundtruth", "diagnose",
        "klasse", "befund", "classe", "diagnostic", "etiquette",
    ),
    "patient": (
        "patient", "patientid", "patientno", "patientnumber", "patientname", "pid", "patid", "subject", "subjectid",
        "patno", "subjectno", "subjectnumber", "person", "personid", "case", "caseid", "caseno", "casenumber", "mrn",
        "medicalrecordnumber", "patientin", "patientnr", "patnr", "patientennummer", "patientennr", "patientenid",
        "fall", "fallid", "fallnr", "fallnummer", "proband", "probandid", "patiente", "idpatient", "nopatient",
        "npatient", "numeropatient", "numerodupatient", "numpatient", "ipp",
    ),
    "site": (
        "site", "siteid", "hospital", "hospitalid", "center", "centre", "institution", "clinic", "klinik", "klinikum",
        "krankenhaus", "standort", "haus", "zentrum", "hopital", "clinique", "etablissement",
    ),
    "split": ("split", "partition", "subset", "aufteilung", "teilmenge", "partage"),
}  # fmt: skip
"""Names by which a column is guessed, in lower case and without blanks, signs and accents."""
MOST_NAMED = 30
"""Columns that a message names."""


@dataclass(frozen=True)
class Columns:
    """The names of the columns that are read."""

    file: str
    label: str | None
    """None: the raters' majority."""
    raters: tuple[str, ...] = ()
    patient: str | None = None
    site: str | None = None
    split: str | None = None
    notes: tuple[str, ...] = ()


def plain_name(name: str) -> str:
    letters = "".join(sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign))
    return re.sub(r"[\W_]+", "", letters).casefold()


def fitting(columns: tuple[str, ...], role: str) -> list[str]:
    """The columns whose names are usual ones of `role`."""
    return [name for name in columns if plain_name(name) in USUAL_NAMES[role]]


def choose(
    path: Path, columns: tuple[str, ...], given: dict[str, str | None], raters: tuple[str, ...], *, guess: bool
) -> Columns:
    """The columns of the table `path` that are read; `given`: by role, as the options name them.

    Raises DataError where a column is unknown, two roles have one column, or there is none for files or labels.
    """
    for name in (*filter(None, given.values()), *raters):
        if name not in columns:
            raise DataError(f"{path} has no column {name!r}{_nearest(name, columns)}; it has {_listed(columns)}")
    free = tuple(name for name in columns if name not in {*given.values(), *raters})
    chosen, guessed, open_notes = dict(given), [], []
    for role in USUAL_NAMES:
        if chosen[role] is None and guess and not (role == "label" and raters):
            fits = fitting(free, role)
            if len(fits) == 1:
                chosen[role] = fits[0]
                guessed.append(f"{role}={fits[0]}")
            elif fits and role in ("patient", "site", "split"):
                listed = _listed(tuple(fits))
                open_notes.append(f"{listed} may hold the {role}s: none was taken; name one, {role}=COLUMN")
    for role, missing in (("file", chosen["file"] is None), ("label", chosen["label"] is None and not raters)):
        if missing:
            fits = fitting(free, role)
            several = f" ({_listed(tuple(fits))} may be meant)" if fits else ""
            or_raters = ", or several in raters=[A,B]" if role == "label" else ""
            raise DataError(
                f"{path}: which column holds the {role}s?{several}; expected {role}=COLUMN{or_raters}; "
                f"it has {_listed(columns)}"
            )
    # The labels may be those of a rater.
    named = [name for name in (*chosen.values(), *raters) if name is not None and name != chosen["label"]]
    named += [name for name in (chosen["label"],) if name is not None and name not in raters]
    doubled = sorted({name for name in named if named.count(name) > 1})
    if doubled:
        raise DataError(f"{path}: the column {doubled[0]!r} is named twice; expected one column for each meaning")
    said = [f"columns were guessed by their names: {', '.join(guessed)} (guess=false does not)"] if guessed else []
    notes = (*said, *open_notes)
    file = chosen.pop("file")
    assert file is not None
    return Columns(file, raters=raters, notes=notes, **chosen)


def _nearest(name: str, columns: tuple[str, ...]) -> str:
    by_plain = {plain_name(column): column for column in columns}
    near = difflib.get_close_matches(plain_name(name), by_plain, n=1)
    return f"; did you mean {by_plain[near[0]]!r}?" if near else ""


def _listed(columns: tuple[str, ...]) -> str:
    named = [repr(name) for name in columns if name]
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return ", ".join(named[:MOST_NAMED]) + more
