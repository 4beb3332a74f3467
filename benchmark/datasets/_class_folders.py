"""Which images a folder of images holds: its splits, its classes, and what in it is neither.

`list_images` alone decides which files are read; the digest of a folder and its decoding both follow it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmark.datasets._files import Place, ZipArchive
from benchmark.datasets._images import SUFFIXES
from benchmark.datasets.base import DataError
from benchmark.datasets.class_names import listed, suspicions
from benchmark.store.tree import Tree, is_hidden

JUNK = frozenset(
    (
        "__macosx", "__pycache__", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "$recycle.bin",
        "system volume information", "lost+found", "unlabeled", "unlabelled",
    )
)  # fmt: skip
"""Names, in lower case, of what operating systems and unpacking leave behind, and of images without a class."""
SPLIT_NAMES = {
    "train": re.compile(r"(train|training|trn)([ _-]?(set|data|images|split))?", re.IGNORECASE),
    "val": re.compile(
        r"(val|valid|validation|validierung|validate|dev)([ _-]?(set|data|images|split))?", re.IGNORECASE
    ),
    "test": re.compile(r"(test|testing|tst)([ _-]?(set|data|images|split))?", re.IGNORECASE),
}
SPLIT_WORDS = {
    "train": re.compile(r"(?<![^\W_])(train|training)(?![^\W\d_])", re.IGNORECASE),
    "test": re.compile(r"(?<![^\W_])(test|testing|val|valid|validation)(?![^\W\d_])", re.IGNORECASE),
}
"""Words in the names of folders that may be splits: "seg_train", "test1"."""
EXPECTED = "expected train/CLASS/..., test/CLASS/... and perhaps val/CLASS/..., or CLASS/... without splits"


@dataclass(frozen=True)
class ClassImage:
    """An image below a class folder."""

    name: str
    """Relative to the root, with forward slashes, links followed."""
    split: str
    """train, val or test; empty in a folder without splits."""
    class_name: str
    below_class: str
    """Its path below the class folder."""


@dataclass(frozen=True)
class Listing:
    images: list[ClassImage]
    """In the order in which they are read."""
    classes: list[str]
    """Sorted."""
    stray: list[str]
    """Images that lie in no class folder."""
    broken: list[str]
    """Links that lead nowhere."""
    splits: tuple[str, ...]
    """Those that the folder has; empty where it holds class folders only."""
    notes: tuple[str, ...]
    """What was skipped, and what may be a mistake; a sentence each."""


def list_images(place: Place, *, test_only: bool = False) -> tuple[Place, Listing]:
    """The images in `place`, and where their names begin: in an archive of one folder, in that folder.

    With `test_only` a folder that has splits needs no other split than test. Raises DataError, ReadError where they
    cannot be told apart into splits and classes.
    """
    tree = place.tree(is_junk)
    if isinstance(place, ZipArchive) and (top := _wrapping(tree)):
        return list_images(place.below(top), test_only=test_only)
    return place, arrange(place.root, tree, test_only=test_only)


def is_junk(name: str) -> bool:
    """Whether no image is meant by a file or folder of that name."""
    return is_hidden(name) or name.lower() in JUNK


def _wrapping(tree: Tree) -> str:
    """The only top folder, where it holds folders only, as packing a folder makes it; "" where there is none."""
    (top, *others) = [name for name in tree.folders if "/" not in name] or [""]
    lone = not others and not any(name.count("/") < 2 for name in tree.files)
    return top if lone and not any(names.fullmatch(top) for names in SPLIT_NAMES.values()) else ""


def arrange(root: Path, tree: Tree, *, test_only: bool = False) -> Listing:
    """As `list_images`, from the names below `root`."""
    places = _splits(root, tree, test_only) or {"": ""}
    depth = 1 if "" in places else 2
    split_of = {folder: split for split, folder in places.items()}
    images, stray = [], []
    for name in tree.files:
        parts = PurePosixPath(name).parts
        split = "" if depth == 1 else split_of.get(parts[0])
        if len(parts) > depth and split is not None:
            images.append(ClassImage(name, split, parts[depth - 1], "/".join(parts[depth:])))
        elif PurePosixPath(name).suffix.lower() in SUFFIXES:
            stray.append(name)
    folders = [PurePosixPath(name).parts for name in tree.folders]
    classes = sorted({parts[-1] for parts in folders if len(parts) == depth and (depth == 1 or parts[0] in split_of)})
    if len(classes) < (1 if test_only else 2):
        named = ", ".join(classes) or "none"
        around = len(classes) == 1 and any(name.startswith(f"{classes[0]}/") for name in tree.folders)
        hint = f"; perhaps folder:{root / classes[0]} is meant" if around else ""
        hint += f"; links that lead nowhere: {listed(tree.broken)}" if tree.broken else ""
        raise DataError(f"{root} has {len(classes)} class folder(s) ({named}), expected one per class{hint}")
    splits = () if "" in places else tuple(split for split in SPLIT_NAMES if split in places)
    notes = tuple(_notes(tree.skipped, classes, places))
    return Listing(images, classes, stray, tree.broken, splits, notes)


def _splits(root: Path, tree: Tree, test_only: bool) -> dict[str, str]:
    """Split -> its top folder; empty where the top folders are classes. Raises DataError for what may be both."""
    tops = [name for name in tree.folders if "/" not in name]
    files = Counter(PurePosixPath(name).parts[0] for name in tree.files)
    images = Counter(name.partition("/")[0] for name in tree.files if PurePosixPath(name).suffix.lower() in SUFFIXES)
    folders = Counter(PurePosixPath(name).parts[0] for name in tree.folders if "/" in name)
    roles = {name: split for name in tops for split, names in SPLIT_NAMES.items() if names.fullmatch(name)}
    # An empty folder is none: people leave them behind.
    roles = {name: split for name, split in roles.items() if files[name] or folders[name]}
    with_classes = [name for name in roles if folders[name]]
    flat = [name for name in roles if not folders[name]]
    if not with_classes and len(roles) < 2:
        worded = {split: [name for name in tops if word.search(name)] for split, word in SPLIT_WORDS.items()}
        if all(worded.values()):
            both = listed({*worded["train"], *worded["test"]})
            raise DataError(f"{root}: {both} may be splits or classes; {EXPECTED}: rename them")
        # Without class folders in it, a single folder of such a name is a class, such as "test" beside "control".
        return {}
    if flat:
        raise DataError(
            f"{root}: {listed(flat)} hold(s) images without class folders, so that their classes are unknown; "
            f"{EXPECTED}"
        )
    others = [name for name in tops if name not in roles and images[name]]
    if others:
        raise DataError(
            f"{root}: {listed(roles)} look(s) like splits and {listed(others)} like classes; {EXPECTED}: "
            "rename or move one of them"
        )
    for split in SPLIT_NAMES:
        same = [name for name in roles if roles[name] == split]
        if len(same) > 1:
            raise DataError(f"{root}: {listed(same)} may each be the {split} split, expected one: merge or rename them")
    names = {split: name for name, split in roles.items()}
    found = {split: names[split] for split in SPLIT_NAMES if split in names}
    needed = ("test",) if test_only else ("train", "test")
    missing = [split for split in needed if split not in found]
    if missing:
        only_test = found.keys() == {"test"}
        hint = " (it can be an extra test set: --extra-test NAME=folder:DIR)" if only_test else ""
        raise DataError(
            f"{root} has a folder {listed(roles)} but no folder {missing[0]}{hint}: add it, or drop the level of splits"
        )
    return found


def _notes(skipped: Sequence[str], classes: Sequence[str], places: dict[str, str]) -> Iterable[str]:
    # Other hidden files, such as .DS_Store, are in nearly every folder and never were images.
    named = [name for name in skipped if PurePosixPath(name).name.lower() in JUNK | {".ipynb_checkpoints"}]
    if named:
        yield f"skipped, as no class is meant by it: {listed(named)}"
    renamed = [f"{folder} as {split}" for split, folder in places.items() if folder != split]
    if renamed:
        yield f"read {', '.join(renamed)}"
    yield from suspicions(classes)
