"""Sets with label noise of their own, from the files as their authors publish them. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from benchmark.datasets._entries import Entry
from benchmark.datasets._files import DiskFolder, File
from benchmark.datasets._listed import ListedImages, ListedOptions, Listing, number, read_lines
from benchmark.datasets.base import DataError, InputFolder
from benchmark.parsers import parse_json

DOUBTFUL = "the training labels are doubtful and the true ones unknown: use the noise as_is"


class Chaoyang(ListedImages):
    """Chaoyang, colon tissue labeled by three pathologists (Zhu et al., IEEE TMI 2021): chaoyang:DIR."""

    names: ClassVar[tuple[str, ...]] = ("chaoyang",)
    augment: ClassVar = {"flip": True, "rotate": 15.0}
    classes: ClassVar = ("normal", "serrated", "adenocarcinoma", "adenoma")
    rater_fields: ClassVar = {"label_A": "a", "label_B": "b", "label_C": "c"}

    class Config(ListedOptions):
        path: InputFolder
        """Folder of train.json, test.json and the images that they name; with train_label.json, which the authors'
        repository holds, each pathologist is a rater: a, b, c."""

    @property
    def raters(self) -> tuple[str, ...]:
        return tuple(self.rater_fields.values())

    def listing(self) -> Listing:
        root = self.cfg.path
        own = root / "train_label.json"
        train = _json_entries(
            root, own if own.is_file() else root / "train.json", "train", self.classes, self.rater_fields
        )
        test = _json_entries(root, root / "test.json", "test", self.classes, {})
        notes = ["the training labels are consensus labels, of which the pathologists a, b and c differ"]
        if not any(entry.given for entry in train):
            notes = ["there is no train_label.json, so that the single pathologists' labels are absent"]
        return Listing(self.classes, [*train, *test], tuple(notes))


class Clothing1M(ListedImages):
    """Clothing1M (Xiao et al., CVPR 2015), a million images from shops with noisy labels: clothing1m:DIR."""

    names: ClassVar[tuple[str, ...]] = ("clothing1m",)
    classes: ClassVar = (
        "T-Shirt", "Shirt", "Knitwear", "Chiffon", "Sweater", "Hoodie", "Windbreaker", "Jacket", "Downcoat", "Suit",
        "Shawl", "Dress", "Vest", "Underwear",
    )  # fmt: skip

    class Config(ListedOptions):
        path: InputFolder
        """Folder of images/ and of the lists noisy_train_key_list.txt, clean_val_key_list.txt,
        clean_test_key_list.txt, noisy_label_kv.txt and clean_label_kv.txt, there or in annotations/ or label/."""

    def listing(self) -> Listing:
        root = self.cfg.path
        lists = next(
            (
                folder
                for folder in (root, root / "annotations", root / "label")
                if (folder / KEYS["train"][0]).is_file()
            ),
            None,
        )
        if lists is None:
            raise DataError(f"{root} holds no {KEYS['train'][0]}, nor does annotations/ or label/ in it")
        labels = {name: self._labels(lists / name) for name in ("noisy_label_kv.txt", "clean_label_kv.txt")}
        entries = []
        for split, (keys, source) in KEYS.items():
            for key in read_lines(lists / keys, "one image per line"):
                if key not in labels[source]:
                    raise DataError(f"{lists / keys} names {key}, which {source} gives no label")
                entries.append(_entry(root, key, split, labels[source][key]))
        return Listing(self.classes, entries, (DOUBTFUL, "its validation and test labels were checked by people"))

    def _labels(self, path: Path) -> dict[str, int]:
        found: dict[str, int] = {}
        for place, line in enumerate(read_lines(path, "lines of an image and its label"), 1):
            key, _, label = line.rpartition(" ")
            value = number(label, len(self.classes), f"{path}, line {place}")
            if found.setdefault(key.strip(), value) != value:
                raise DataError(
                    f"{path}, line {place}: {key.strip()} has the label {value} here and {found[key.strip()]} before; "
                    "expected one label of each image"
                )
        return found


KEYS = {
    "train": ("noisy_train_key_list.txt", "noisy_label_kv.txt"),
    "val": ("clean_val_key_list.txt", "clean_label_kv.txt"),
    "test": ("clean_test_key_list.txt", "clean_label_kv.txt"),
}
"""Clothing1M's lists by split, and where the labels of their images stand."""


class Animal10N(ListedImages):
    """ANIMAL-10N (Song et al., ICML 2019), ten easily confused animals, about 8 % wrong: animal10n:DIR."""

    names: ClassVar[tuple[str, ...]] = ("animal10n",)
    classes: ClassVar = (
        "cat", "lynx", "wolf", "coyote", "cheetah", "jaguar", "chimpanzee", "orangutan", "hamster", "guinea pig",
    )  # fmt: skip

    class Config(ListedOptions):
        path: InputFolder
        """Folder of training/ and testing/; the first digit of a file's name is its class: 3_00042.jpg."""

    def listing(self) -> Listing:
        root = self.cfg.path
        entries = []
        for split, folder in (("train", "training"), ("test", "testing")):
            place = root / folder
            if not place.is_dir():
                raise DataError(f"{root} has no folder {folder}/; expected training/ and testing/ of ANIMAL-10N")
            for path in sorted(place.iterdir()):
                if path.is_file() and not path.name.startswith("."):
                    label = number(path.name[0], len(self.classes), str(path))
                    entries.append(_entry(root, f"{folder}/{path.name}", split, label))
        return Listing(self.classes, entries, (DOUBTFUL,))


class Food101N(ListedImages):
    """Food-101N (Lee et al., CVPR 2018), 310,000 web images, tested on Food-101: food101n:DIR,food101=DIR."""

    names: ClassVar[tuple[str, ...]] = ("food101n",)

    class Config(ListedOptions):
        path: InputFolder
        """Folder Food-101N_release: images/CLASS/*.jpg, meta/imagelist.tsv and meta/classes.txt."""
        food101: InputFolder
        """Folder food-101 of the original set: images/CLASS/*.jpg and meta/test.txt."""

    def listing(self) -> Listing:
        root, clean = self.cfg.path, self.cfg.food101
        classes = _without_header(read_lines(root / "meta" / "classes.txt", "a class per line"), "class_name")
        numbers = {name: k for k, name in enumerate(classes)}
        if len(numbers) < len(classes):
            raise DataError(f"{root / 'meta' / 'classes.txt'} names a class twice; expected each once")
        listed = root / "meta" / "imagelist.tsv"
        train = _without_header(read_lines(listed, "an image CLASS/NAME per line"), "class_name/key")
        test_list = clean / "meta" / "test.txt"
        test = read_lines(test_list, "an image CLASS/NAME per line, without .jpg")
        entries = [_entry(root, f"images/{name}", "train", _class_of(name, numbers, listed)) for name in train]
        entries += [_entry(clean, f"images/{n}.jpg", "test", _class_of(n, numbers, test_list)) for n in test]
        return Listing(tuple(classes), entries, (DOUBTFUL,))


def _entry(root: Path, name: str, split: str, label: int, given: Mapping[str, int] | None = None) -> Entry:
    return Entry(File(DiskFolder(root), name), label, split, given or {})


def _without_header(lines: list[str], header: str) -> list[str]:
    return lines[1:] if lines and lines[0].split("\t")[0] == header else lines


def _class_of(name: str, numbers: dict[str, int], where: Path) -> int:
    folder = name.partition("/")[0]
    if folder not in numbers:
        raise DataError(f"{where} names {name!r}, whose class {folder!r} is not in meta/classes.txt")
    return numbers[folder]


def _json_entries(root: Path, path: Path, split: str, classes: tuple[str, ...], raters: dict[str, str]) -> list[Entry]:
    """Of a list of objects with `name`, `label` and, perhaps, the raters' fields."""
    expected = 'a JSON list of {"name": ..., "label": ...}'
    try:
        rows: Any = parse_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); expected {expected}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and {"name", "label"} <= row.keys() for row in rows):
        raise DataError(f"{path} holds something else; expected {expected}")
    found = []
    for place, row in enumerate(rows):
        where = f"{path}, entry {place}"
        given = {
            name: -1 if row[key] in (None, -1) else number(row[key], len(classes), f"{where}, {key}")
            for key, name in raters.items()
            if key in row
        }
        found.append(_entry(root, str(row["name"]), split, number(row["label"], len(classes), where), given))
    return found
