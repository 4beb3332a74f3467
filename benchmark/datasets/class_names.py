"""Class names that may be one class, or none: what a person would ask about a list of them."""

from __future__ import annotations

import difflib
import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence

from benchmark.store.tree import printable

NO_LABEL = frozenset(
    ("na", "n/a", "nan", "none", "null", "unknown", "unclear", "?", "-", "-1", "missing", "tbd", "todo", "unlabeled")
)
"""Names, in lower case, that often stand for a label that is missing."""
ALIKE = 0.85
"""Similarity of two names (difflib's ratio) from which one may be the other misspelled."""
RARE = 0.05
"""Share of the images of the other class below which a class may be its misspelling."""


def plain(name: str) -> str:
    """`name` in lower case, without white space, and with one spelling of accents."""
    return "".join(unicodedata.normalize("NFKC", name).split()).casefold()


def look_alikes(names: Iterable[str]) -> list[list[str]]:
    """Groups of `names` that differ by upper and lower case or white space only, sorted."""
    return _groups(names, plain)


def suspicions(
    names: Sequence[str], counts: Mapping[str, int] | None = None, missing: Sequence[str] | None = None
) -> list[str]:
    """What may be wrong with the class names of a data set, a sentence each; `counts`: images of each, if known;
    `missing`: the value of the option of that name, of a data set that has it."""
    alike = look_alikes(names)
    sentences = [
        f"classes {listed(group)} differ by case or white space only: rename them if they are one class, or give "
        f"{as_one([group])}"
        for group in alike
    ]
    sentences += [f"the name of class {name!r} has blanks at an end" for name in names if name != name.strip()]
    numbers = [name for name in names if name.strip().removeprefix("-").isdecimal()]
    equal = [group for group in _groups(numbers, lambda name: str(int(name))) if group not in alike]
    sentences += [
        f"classes {listed(group)} are the same number: write it in one way if they are one class, or give "
        f"{as_one([group])}"
        for group in equal
    ]
    if 0 < len(numbers) < len(names):
        sentences.append(f"classes {listed(numbers)} are numbers and the others words: are they meant as classes?")
    no_label = [name for name in names if name.strip().casefold() in NO_LABEL]
    how = "" if missing is None else f": {as_missing((*missing, *no_label))}"
    sentences += [
        f"class {name!r} may mean that there is no label; if so, leave these images out{how}" for name in no_label
    ]
    misspelled = [[common, rare] for rare, common in _misspelled(names, counts or {})]
    sentences += [
        f"class {rare!r} with few images may be {common!r} misspelled: mend it if so, or give "
        f"{as_one([[common, rare]])}"
        for common, rare in misspelled
    ]
    if len(together := _united([*alike, *equal, *misspelled])) > 1:
        sentences.append(f"to take all classes that may be one for one each, give {as_one(together)}")
    return sentences


def nearest(name: str, classes: Iterable[str]) -> str | None:
    """The one of `classes` that `name` is likely another spelling of, or of a former class that was merged into it;
    None where there is none."""
    spelled = {plain(part): one for one in classes for part in (*one.split(" + "), one)}
    near = difflib.get_close_matches(plain(name), spelled, n=1, cutoff=ALIKE)
    return spelled[near[0]] if near else None


def as_missing(texts: Iterable[str]) -> str:
    """The option of a table that takes `texts` for no labels, as it is typed."""
    return f"missing=[{','.join(map(printable, texts))}]"


def as_one(groups: Sequence[Sequence[str]]) -> str:
    """The option of a data set that makes one class of each group of `groups`, as it is typed, in a TOML file too.

    A name that is a number might be taken for the number of another class.
    """
    if any(name != name.strip() or set(name) & set("+,[]\"'\\") for group in groups for name in group):
        return f"merge={json.dumps(groups, ensure_ascii=False)}"
    typed = ["+".join(f"class {name}" if name.isdecimal() else printable(name) for name in group) for group in groups]
    text = typed[0] if len(typed) == 1 else f"[{','.join(typed)}]"
    return f'merge="{text}"'


def listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(repr(printable(name)) for name in names))


def _groups(names: Iterable[str], key: Callable[[str], str]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        groups.setdefault(key(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _united(groups: Iterable[list[str]]) -> list[list[str]]:
    """Groups that share a member as one, each member once."""
    united: list[list[str]] = []
    for group in groups:
        met = [other for other in united if not set(other).isdisjoint(group)]
        united = [other for other in united if other not in met]
        united.append(list(dict.fromkeys(name for one in (*met, group) for name in one)))
    return united


def _misspelled(names: Sequence[str], counts: Mapping[str, int]) -> Iterable[tuple[str, str]]:
    """Pairs of a rare class and a common one of nearly the same name, which differ in no digit."""
    for rare in counts:
        for common in names:
            near = rare != common and difflib.SequenceMatcher(None, plain(rare), plain(common)).ratio() >= ALIKE
            same_digits = [c for c in rare if c.isdigit()] == [c for c in common if c.isdigit()]
            if near and same_digits and plain(rare) != plain(common) and counts[rare] < RARE * counts.get(common, 0):
                yield rare, common
