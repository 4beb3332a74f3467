"""Finds the files that a table names: by their names, or by what people leave out of them, where one file fits.

Tables name images without their suffix, in another case, without the folder that they lie in, with the path of another
computer, or without leading zeros, which Excel drops.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from benchmark.datasets._images import SUFFIXES

Key = Callable[[str], str]


def _same(name: str) -> str:
    return name


def _accents(name: str) -> str:
    """With one sign for a letter such as ä, which a Mac writes as two."""
    return unicodedata.normalize("NFC", name)


def _case(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _stem(name: str) -> str:
    """Without the suffix of an image."""
    path = PurePosixPath(_case(name))
    return str(path.with_suffix("")) if path.suffix in SUFFIXES else str(path)


def _last(name: str) -> str:
    return PurePosixPath(_case(name)).name


def _last_stem(name: str) -> str:
    return PurePosixPath(_stem(name)).name


def _number(name: str) -> str:
    """The name without leading zeros, where it is a number."""
    stem = _last_stem(name)
    return str(int(stem)) if stem.isascii() and stem.isdigit() else f"no number: {name}"


RULES: Sequence[tuple[Key, str]] = (
    (_same, ""),
    (_accents, "in another spelling of letters such as ä, as a Mac writes them"),
    (_case, "in another spelling of upper and lower case"),
    (_stem, "by their names without suffix"),
    (_last, "in another folder"),
    (_last_stem, "in another folder, by their names without suffix"),
    (_number, "by their numbers, without leading zeros"),
)
"""Tried in this order, with what is said of it."""


@dataclass(frozen=True)
class Found:
    """What the names of a table stand for."""

    files: dict[str, str] = field(default_factory=dict)
    """Name in the table -> name of the file."""
    unusable: dict[str, str] = field(default_factory=dict)
    """Name in the table -> why there is no such file."""
    how: dict[str, str] = field(default_factory=dict)
    """Of the names in `files` that are not those of the files, how these were found."""

    def notes(self, names: Collection[str]) -> list[str]:
        """How the files of `names` were found, a sentence for each way."""
        ways = Counter(said for name, said in self.how.items() if name in names)
        return [f"{count} file(s) were found {said}" for said, count in ways.items()]


def find(names: Iterable[str], files: Sequence[str]) -> Found:
    """The ones of `files` that the `names` of a table stand for."""
    found = Found()
    indexes: dict[Key, dict[str, list[str]]] = {}
    for name in dict.fromkeys(names):
        wanted = _unified(name)
        if ".." in PurePosixPath(wanted).parts:
            found.unusable[name] = "leads out of the folder of images"
            continue
        for key, said in RULES:
            if key not in indexes:
                indexes[key] = {}
                for file in files if key is _same else filter(_may_be_image, files):
                    indexes[key].setdefault(key(file), []).append(file)
            fits = indexes[key].get(key(wanted), ())
            if fits:
                if len(fits) > 1:
                    found.unusable[name] = f"stands for several files: {', '.join(fits[:3])}"
                else:
                    found.files[name] = fits[0]
                    if said:
                        found.how[name] = said
                break
        else:
            found.unusable[name] = "named in the table, and absent"
    return found


def _may_be_image(file: str) -> bool:
    """By its suffix; DICOM files often have none."""
    return PurePosixPath(file).suffix.lower() in {"", *SUFFIXES}


def _unified(name: str) -> str:
    """With forward slashes, and without "./" in front."""
    return str(PurePosixPath(name.replace("\\", "/")))
