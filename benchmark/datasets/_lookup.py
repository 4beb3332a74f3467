"""Finds the files that a table names: by their names, or by what people leave out of them, where one file fits.

Tables name images without their suffix, in another case, without the folder that they lie in, with the path of another
computer, or without leading zeros, which Excel drops. Two hospitals number their images alike: a name of one folder
never stands for a file of another one.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
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
ELSEWHERE = frozenset({_last, _last_stem, _number})
"""Those that do not compare folders."""


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
    folders: frozenset[str] = frozenset()
    for name in dict.fromkeys(names):
        wanted = _unified(name)
        if ".." in PurePosixPath(wanted).parts:
            found.unusable[name] = "leads out of the folder of images"
            continue
        namesakes: Sequence[str] = ()
        for key, said in RULES:
            if key not in indexes:
                indexes[key] = {}
                for file in files if key is _same else filter(_may_be_image, files):
                    indexes[key].setdefault(key(file), []).append(file)
            fits: Sequence[str] = indexes[key].get(key(wanted), ())
            if fits and key in ELSEWHERE:
                folders = folders or frozenset(folder for file in files for folder in _folders(file))
                namesakes, fits = fits, _nearest(wanted, fits, folders)
            if fits:
                if len(fits) > 1:
                    found.unusable[name] = f"stands for several files: {', '.join(fits[:3])}"
                else:
                    found.files[name] = fits[0]
                    if said:
                        found.how[name] = said
                break
        else:
            elsewhere = f": {namesakes[0]} lies in another folder" if namesakes else ""
            found.unusable[name] = f"named in the table, and absent{elsewhere}"
    _separate(found)
    return found


def _folders(name: str) -> tuple[str, ...]:
    return PurePosixPath(_case(name)).parts[:-1]


def _shared(wanted: str, file: str) -> int:
    """How many folders in front of a name and a file are the same, from the last one on."""
    pairs = zip(reversed(_folders(wanted)), reversed(_folders(file)), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _differing(wanted: str, file: str) -> str | None:
    """The last folder in `wanted` in whose place `file` has another one."""
    shared, own = _shared(wanted, file), _folders(wanted)
    return own[-1 - shared] if shared < min(len(own), len(_folders(file))) else None


def _nearest(wanted: str, files: Sequence[str], folders: Collection[str]) -> list[str]:
    """Those of `files` that share most folders with `wanted`, and lie in no other than one of `folders` that it names.

    A folder that there is not is the path of another computer.
    """
    fits = [file for file in files if _differing(wanted, file) not in folders]
    most = max((_shared(wanted, file) for file in fits), default=0)
    return [file for file in fits if _shared(wanted, file) == most]


def _separate(found: Found) -> None:
    """Takes back what was found for names that cannot all mean one file: `a/1.png` and `b/1.png` for `1.png`."""
    names: dict[str, list[str]] = {}
    for name, file in found.files.items():
        names.setdefault(file, []).append(name)
    said_elsewhere = {said for key, said in RULES if key in ELSEWHERE}
    for file, several in names.items():
        surest = {name: (found.how.get(name) not in said_elsewhere, _shared(_unified(name), file)) for name in several}
        for name, sure in surest.items():
            if sure[0]:
                continue
            others = [one for one in several if surest[one] >= sure and _differing(_unified(name), _unified(one))]
            if others:
                found.unusable[name] = f"another name stands for the same file: {others[0]} for {file}"
                del found.files[name], found.how[name]


def _may_be_image(file: str) -> bool:
    """By its suffix; DICOM files often have none."""
    return PurePosixPath(file).suffix.lower() in {"", *SUFFIXES}


def _unified(name: str) -> str:
    """With forward slashes, and without "./" in front."""
    return str(PurePosixPath(name.replace("\\", "/")))
