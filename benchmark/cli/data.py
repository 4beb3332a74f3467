"""`noisybench data fetch|verify|info|preview|describe`: downloads, checks and describes data sets."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.options import UserPath, add_plugins, place_options, read_extra_tests, with_folder_options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.datasets.base import Arrays, CorruptedCopies, Data, Dataset
    from benchmark.datasets.label_set import LabelSet
    from benchmark.grid.plugin_ref import PluginRef
    from benchmark.grid.resolve import DataChoices

SHOWN_DUPLICATES = 10
SHOWN_COPIES = 8
"""Different images of a sheet of corrupted copies."""
MOST_PAIRS = 25_000**2
"""Pairs of images of two splits that `info` compares: some seconds. `verify` compares them all."""


@click.group()
def data() -> None:
    """Fetch, verify, describe and preview data sets."""


@data.command()
@click.argument("names", nargs=-1, required=True)
@place_options
def fetch(names: tuple[str, ...], **options: Any) -> None:
    """Download the data sets NAMES where they are absent: `data fetch bloodmnist pathmnist:size=64`."""
    from benchmark.cli.progress import fetch_progress

    for name in names:
        dataset = _dataset(name, **options)
        was_available = dataset.available()
        with fetch_progress() as report:
            dataset.fetch(report)
        click.echo(f"{dataset.label}: {'here already' if was_available else 'downloaded'}, {dataset.digest()}")


@data.command()
@click.argument("name")
@click.option("--extra-test", "extra_tests", multiple=True, metavar="NAME=DATASET", help="Compare with this too.")
@place_options
def verify(name: str, extra_tests: tuple[str, ...], **options: Any) -> int:
    """Read every image and label of NAME from its source, and print what may affect results on it.

    Looks for images that are equal and for images that look the same. Exits with 1 where the data is not what its
    name says or an image occurs in two splits.
    """
    from benchmark.cli.progress import fetch_progress
    from benchmark.datasets import statistics
    from benchmark.datasets.extra_tests import match

    named = {key: _dataset(text, **options) for key, text in read_extra_tests(extra_tests).items()}
    others = {key: other for key, other in named.items() if not other.of_test_images}
    dataset, labels = _labelled(name, **options)
    with warnings.catch_warnings(record=True) as caught, fetch_progress() as report:
        warnings.simplefilter("always")
        digest = dataset.digest()
        loaded = _with(labels, dataset.load(report))
        if loaded.images is not None:
            others = {key: other.like(loaded.images) for key, other in others.items()}
        matched = {key: match(loaded, key, other.load_extra_test(report)) for key, other in others.items()}
        told = [note for key, other in named.items() for note in _about_copies(key, other, dataset, loaded)]
    loaded = replace(loaded, extra_tests={key: extra.test for key, extra in matched.items()})
    messages = [str(warning.message) for warning in caught]
    told += [*loaded.notes, *(note for extra in matched.values() for note in extra.notes)]
    sizes = ", ".join(f"{split} {len(part)}" for split, part in statistics.splits(loaded).items())
    click.echo(f"{dataset.label}: readable, {sizes}; {digest}")
    _echo_images(loaded)
    failures = list(messages)
    for sentence in [*messages, *told, *statistics.findings(loaded), *statistics.near_findings(loaded)]:
        click.echo(f"note: {sentence}")
        if " occur in " in sentence or "different labels" in sentence:
            failures.append(sentence)
    return 1 if failures else 0


@data.command()
@click.argument("name")
@click.option("--left-out", is_flag=True, help="Name every file that was left out, and say why.")
@place_options
def info(name: str, left_out: bool, **options: Any) -> None:
    """Print what NAME holds, how its files were read, and what may be wrong with it.

    Counts per class and split, patients and sites, raters, pixel statistics, equal and similar images, doubtful names
    of classes, and what was left out.
    """
    from benchmark.datasets import statistics
    from benchmark.metrics import main_metric

    dataset, labels = _labelled(name, **options)
    loaded = _with(labels, _load(dataset, options["results"]))
    parts = statistics.splits(loaded)
    height, width, channels = loaded.train.images.shape[1:]
    click.echo(f"{dataset.label}: {loaded.num_classes} classes, {height}x{width} px, {channels} channel(s)")
    click.echo(f"digest {dataset.digest()}")
    if labels is not None:
        click.echo(f"labels of {labels.path}, {labels.digest}")
    _echo_images(loaded)
    click.echo("")
    counts = statistics.class_counts(loaded)
    click.echo(counts.assign(all=counts.sum(axis=1)).to_string())
    click.echo(f"main metric: {main_metric(counts['train'].to_numpy())}\n")
    for split, part in parts.items():
        mean, sd = statistics.channel_stats(part)
        click.echo(f"{split}: {len(part)} images, mean {_figures(mean)}, sd {_figures(sd)} of [0, 1]")
        for line in statistics.about_names(part):
            click.echo(f"{split}: {line}")
    repeated = statistics.duplicates(loaded)
    click.echo(f"\nequal images: {len(repeated)} in {repeated['group'].nunique()} groups")
    if len(repeated):
        click.echo(repeated.head(SHOWN_DUPLICATES).to_string(index=False))
        click.echo("groups with members in both splits (diagonal: twice within one):")
        click.echo(statistics.duplicate_counts(repeated, list(parts)).to_string())
    for sentence in [*loaded.notes, *statistics.findings(loaded), *statistics.near_findings(loaded, MOST_PAIRS)]:
        click.echo(f"note: {sentence}")
    if left_out:
        for file, why in loaded.skipped.items():
            click.echo(f"left out: {file}: {why}")


@data.command()
@click.argument("name")
@click.option("--out", type=UserPath(dir_okay=False), required=True, help="PNG file to write.")
@click.option("--split", default="train", show_default=True, help="train, val or test.")
@click.option("--per-class", type=click.IntRange(1, 100), default=12, show_default=True, help="Images in a row.")
@click.option(
    "--corrupted",
    "copies",
    metavar="SOURCE",
    help="Corrupted copies of test images instead, a row per corruption, the image itself first: corrupted, "
    "medmnistc:FOLDER.",
)
@place_options
def preview(name: str, out: Path, split: str, per_class: int, copies: str | None, **options: Any) -> None:
    """Draw a contact sheet of NAME with a row per class, or per corruption."""
    import numpy as np

    from benchmark.datasets import statistics
    from benchmark.errors import UsageError
    from benchmark.report import pictures

    dataset, labels = _labelled(name, **options)
    loaded = _with(labels, _load(dataset, options["results"]))
    if copies is None:
        parts = statistics.splits(loaded)
        if split not in parts:
            raise UsageError(f"{loaded.name} has no split {split!r}; expected one of {', '.join(parts)}")
        chosen: Arrays = parts[split]
        picture = pictures.contact_sheet(chosen.images, chosen.labels, loaded.classes, per_class)
    else:
        rows = _rows_of_copies(_dataset(copies, **options), dataset, loaded)
        images = [image for row in rows.values() for image in row]
        numbers = [number for number, row in enumerate(rows.values()) for _ in row]
        picture = pictures.contact_sheet(np.stack(images), np.array(numbers), list(rows), max(map(len, rows.values())))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        picture.save(out, format="PNG")
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}; choose another file with --out") from None
    click.echo(f"{out}")


@data.command()
@click.argument("table", type=UserPath(exists=True, dir_okay=False))
@click.option("--out", type=UserPath(dir_okay=False), required=True, help="TOML file to write.")
@click.option("--root", type=UserPath(exists=True), help="Folder or zip archive of the images; sought if left out.")
@click.option("--sheet", help="Of an Excel file with several.")
def describe(table: Path, out: Path, root: Path | None, sheet: str | None) -> None:
    """Draft a TOML file that says what the columns of TABLE mean and where its images lie, to be corrected by hand.

    `noisybench data describe labels.xlsx --out study.toml`; the data set is then table:study.toml.
    """
    from benchmark.datasets.table_draft import draft
    from benchmark.errors import UsageError

    if out.exists():
        raise UsageError(f"{out} exists already, and may have been corrected; choose another file with --out")
    drafted = draft(table, out, root=root, sheet=sheet)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(drafted.text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}; choose another file with --out") from None
    for line in drafted.lines:
        click.echo(line)
    click.echo(f"{out}: check it, then `noisybench data info table:{out}`")


def _dataset(name: str | PluginRef, **options: Any) -> Dataset:
    return _opened(name, **options)[0]


def _labelled(name: str, **options: Any) -> tuple[Dataset, LabelSet | None]:
    """A data set, and the labels that replace its own."""
    from benchmark.datasets.label_set import LabelSet

    dataset, choices = _opened(name, heeded=["labels"], **options)
    return dataset, None if choices.labels is None else LabelSet.read(choices.labels)


def _opened(
    name: str | PluginRef,
    *,
    data_root: Path,
    group_by: str | None,
    skip_corrupt: bool,
    plugins: tuple[Path, ...],
    results: Path,
    heeded: Sequence[str] = (),
) -> tuple[Dataset, DataChoices]:
    from benchmark.grid.resolve import make_dataset

    add_plugins(plugins)
    (described,) = with_folder_options([name], group_by, skip_corrupt)
    return make_dataset(described, data_root, heeded)


def _with(labels: LabelSet | None, loaded: Data) -> Data:
    return loaded if labels is None else labels.apply(loaded)


def _about_copies(name: str, source: Dataset, dataset: Dataset, loaded: Data) -> Iterator[str]:
    """What `verify` says of an extra test set that is made of the test images."""
    if source.of_test_images:
        found = _copies(source, _raw_test(dataset, loaded), loaded.name)
        yield f"extra test set {name!r}: {len(found.copies)} corrupted copies of the {len(loaded.test)} test images"
        yield from (f"extra test set {name!r}: {note}" for note in found.notes)


def _rows_of_copies(source: Dataset, dataset: Dataset, loaded: Data) -> dict[str, list[NDArray[np.uint8]]]:
    """Corruption -> one of the first test images, and its copies."""
    rows: dict[str, list[NDArray[np.uint8]]] = {}
    raw = _raw_test(dataset, loaded)
    few = raw.images[:SHOWN_COPIES]
    for copy in _copies(source, raw, loaded.name).copies:
        number = list({**rows, copy.kind: []}).index(copy.kind) % len(few)
        row = rows.setdefault(copy.kind, [dataset.preprocess(few)[number]])
        row.append(dataset.preprocess(copy.images(few))[number])
    return rows


def _copies(source: Dataset, test: Arrays, name: str) -> CorruptedCopies:
    """The corrupted copies that `source` makes of `test`."""
    from benchmark.datasets.base import CorruptedTests
    from benchmark.errors import UsageError

    if not isinstance(source, CorruptedTests):
        raise UsageError(
            f"{source.name} makes no corrupted copies of test images; expected corrupted, or medmnistc:FOLDER"
        )
    return source.of(test, name)


def _raw_test(dataset: Dataset, loaded: Data) -> Arrays:
    """The test images before what the data set does to each of them."""
    raw = dataset.raw()
    return loaded.test if raw is dataset else raw.load().test


def _echo_images(loaded: Data) -> None:
    from benchmark.datasets.conversion import describe

    if loaded.images is not None:
        click.echo(f"images: {describe(loaded.images)}")


def _load(dataset: Dataset, results: Path) -> Data:
    from benchmark.cli.progress import fetch_progress
    from benchmark.datasets.cache import cached
    from benchmark.store.store import Store

    with fetch_progress() as report:
        return cached(dataset, Store(results).cache("data"), progress=report)


def _figures(values: Any) -> str:
    return " ".join(f"{value:.3f}" for value in values)
