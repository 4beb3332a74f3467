"""`noisybench noise make|show|verify|export`: writes, prints, checks and exports noisy labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.noisy_data import label_options, load, read_noisy_data
from benchmark.cli.options import UserPath, place_options

if TYPE_CHECKING:
    import numpy as np

    from benchmark.datasets.base import Data
    from benchmark.noise.base import NoiseKind
    from benchmark.noise.manifest import Manifest
    from benchmark.runs.noisy_data import NoisyData
    from benchmark.runs.prepare import Drawn, DrawnNoise

SHOWN_CLASSES = 20
"""A matrix of more classes does not fit a terminal: the largest entries of each row are printed."""
FLIPS = 64
"""Samples on a contact sheet."""


@click.group()
def noise() -> None:
    """Make, show, verify and export noisy labels."""


@noise.command()
@label_options
@click.option("--out", type=UserPath(file_okay=False), required=True, help="Folder to write to.")
def make(out: Path, **options: Any) -> None:
    """Write noisy labels (npz) and their manifest (JSON) into a folder."""
    from benchmark.noise import saved

    noisy = read_noisy_data(**options)
    drawn, _ = _draw(noisy, options["results"])
    labels = {}
    for split, part in drawn.splits.items():
        kept = part.kept
        labels[f"{split}_noisy"] = part.corruption.labels[kept]
        labels[f"{split}_index"] = kept
        taken = part.take(kept, truth_known=drawn.kind.truth_known)
        if taken.clean is not None:
            labels[f"{split}_clean"] = taken.clean
        if part.corruption.outside is not None:
            labels[f"{split}_outside"] = part.corruption.outside[kept]
    path = saved.write(out, noisy.name, noisy.origin, _manifests(noisy, drawn), labels)
    click.echo(f"{path}")
    click.echo(f"{path.with_suffix('.npz')}")
    click.echo(f"next: `noisybench noise verify {path}`", err=True)


@noise.command()
@label_options
@click.option("--out", type=UserPath(file_okay=False), help="Folder for pictures (PNG).")
def show(out: Path | None, **options: Any) -> None:
    """Print the realized T and rates; with --out draw them, and a sheet of flipped samples, as PNG."""
    noisy = read_noisy_data(**options)
    drawn, data = _draw(noisy, options["results"])
    manifests = _manifests(noisy, drawn)
    for split, manifest in manifests.items():
        _print_manifest(split, manifest, data.classes)
        if manifest.transition is not None:
            _print_transition(_realized(drawn.splits[split]), manifest, data.classes)
    if out is not None:
        _draw_pictures(out, drawn.kind, drawn.train, manifests["train"], data)


@noise.command()
@click.argument("manifest", type=UserPath(dir_okay=False))
@click.option("--dataset", "-d", help="Where the data lies now, if it has moved: npz:FILE, folder:DIR, ...")
@place_options
def verify(manifest: Path, dataset: str | None, **options: Any) -> int:
    """Make the labels of MANIFEST again and compare them, and the file beside it, by SHA-256."""
    from benchmark.noise import saved

    stored = saved.read(manifest)
    faults = saved.faults_of_labels(manifest, stored)
    noisy = read_noisy_data(
        dataset=dataset or stored["dataset"],
        noise=stored["noise"],
        seed=stored["seed"],
        allow_unidentifiable=True,
        **options,
    )
    identity = noisy.origin["identity"]
    faults += [
        f"{part}: {key} is {identity[part].get(key)!r}, the manifest says {value!r}"
        for part, facts in stored["identity"].items()
        for key, value in facts.items()
        if identity[part].get(key) != value
    ]
    drawn, _ = _draw(noisy, options["results"])
    drawn_again = _manifests(noisy, drawn)
    for split, facts in stored["splits"].items():
        digest = drawn_again[split].labels_sha256 if split in drawn_again else "none"
        images = drawn_again[split].open_set if split in drawn_again else None
        if (facts.get("open_set") or {}).get("sha256") != (images and images.sha256):
            faults.append(f"{split}: made again, other images take the place of those of the task")
        if digest == facts["labels_sha256"]:
            click.echo(f"ok      {split}: {facts['num_samples']} labels, SHA-256 {digest}")
        else:
            faults.append(f"{split}: made again the labels have SHA-256 {digest}, expected {facts['labels_sha256']}")
    for fault in faults:
        click.echo(f"FAILED  {fault}")
    return 1 if faults else 0


@noise.command()
@label_options
@click.option("--out", type=UserPath(dir_okay=False), required=True, help="CSV file to write.")
@click.option(
    "--index",
    type=click.Choice(["split", "original"]),
    default="split",
    show_default=True,
    help="How samples are named: by position in our split, or in the source's own order (file names of a folder).",
)
def export(out: Path, index: str, **options: Any) -> None:
    """Write training and validation labels as CSV (split, index, clean, noisy), for any code base and --noise-file."""
    from benchmark.errors import UsageError
    from benchmark.noise.files import INDEX, ORIGINAL, export_csv

    noisy = read_noisy_data(**options)
    drawn, _ = _draw(noisy, options["results"])
    if not drawn.kind.truth_known:
        name = drawn.kind.name
        raise UsageError(f"noise {name!r}: the true labels are unknown, so there is no column clean to write")
    if drawn.train.corruption.outside is not None:
        raise UsageError(
            f"noise {drawn.kind.name!r} replaces images, which a file of labels cannot do; `noisybench noise make` "
            "writes which ones, as positions in their source (train_outside)"
        )
    parts = [(part.split, part.corruption) for part in drawn.splits.values()]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        export_csv(out, parts, INDEX if index == "split" else ORIGINAL)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}; choose another file with --out") from None
    for split, manifest in _manifests(noisy, drawn).items():
        rate = manifest.realized_rate
        click.echo(
            f"{out}: {split}: {manifest.num_samples} labels, {rate:.4f} of them wrong, SHA-256 {manifest.labels_sha256}"
        )
        left_out = len(drawn.splits[split].split.labels) - manifest.num_samples
        if left_out:
            click.echo(f"{split}: the noise leaves {left_out} samples out; their noisy label is empty", err=True)
    order = "our split of it" if index == "split" else "the source's own order (column original)"
    click.echo(f"samples are named by their place in {order}", err=True)


def _draw(noisy: NoisyData, results: Path) -> tuple[DrawnNoise, Data]:
    from benchmark.errors import UsageError
    from benchmark.noise.base import NoiseError
    from benchmark.store.store import Store

    data = load(noisy, results)
    try:
        return noisy.noise.draw(noisy.source, data, Store(results).cache("data")), data
    except NoiseError as error:  # options that do not fit the data, as those that do not fit the kind
        raise UsageError(str(error)) from error


def _manifests(noisy: NoisyData, drawn: DrawnNoise) -> dict[str, Manifest]:
    return {name: noisy.noise.manifest(drawn.kind, part) for name, part in drawn.splits.items()}


def _print_manifest(split: str, manifest: Manifest, classes: tuple[str, ...]) -> None:
    rate = manifest.realized_rate
    rate_text = "unknown" if rate is None else f"{rate:.4f}"
    click.echo(f"{split}: {manifest.num_samples} samples, realized rate {rate_text}, SHA-256 {manifest.labels_sha256}")
    for warning in manifest.warnings:
        click.echo(f"warning: {warning}", err=True)
    for note in manifest.notes:
        click.echo(f"note: {note}", err=True)
    if manifest.transition is None:
        return
    width = _width(classes)
    click.echo(f"\n{'class':>{width + 4}}  samples  wrong  commonest*")
    rows = zip(
        manifest.class_counts,
        manifest.realized_rate_per_class or [],
        manifest.commonest_wrong_share or [],
        strict=True,
    )
    for k, (count, wrong, commonest) in enumerate(rows):
        bar = "" if wrong is None else "#" * round(40 * wrong)
        wrong_text, commonest_text = ("    -" if share is None else f"{share:.3f}" for share in (wrong, commonest))
        click.echo(f"{k:>3} {classes[k]:>{width}}  {count:>7}  {wrong_text}  {commonest_text:<10}  {bar}".rstrip())
    click.echo("* share of the commonest wrong class among the wrong labels of the class")


def _realized(part: Drawn) -> np.ndarray:
    """[K, K] shares of the noisy classes among the samples of each clean class."""
    from benchmark.noise.manifest import count, empirical_transition

    kept = part.kept
    if part.corruption.outside is not None:
        kept = kept[part.corruption.outside[kept] < 0]
    return empirical_transition(count(part.split.labels[kept], part.corruption.labels[kept], part.split.num_classes))


def _print_transition(matrix: np.ndarray, manifest: Manifest, classes: tuple[str, ...]) -> None:
    import numpy as np

    width = _width(classes)
    click.echo("\nrealized T: rows are clean classes, columns noisy ones")
    _print_matrix(matrix, classes, width)
    if manifest.transition_source == "generator":
        apart = np.abs(matrix - np.array(manifest.transition)).max()
        click.echo(f"it differs from the T that the labels were drawn from by at most {apart:.4f}")
    click.echo("")


def _width(classes: tuple[str, ...]) -> int:
    return max(5, max(map(len, classes)))


def _print_matrix(matrix: np.ndarray, classes: tuple[str, ...], width: int) -> None:
    import numpy as np

    if len(matrix) <= SHOWN_CLASSES:
        click.echo(" " * (width + 4) + "".join(f"{k:>5}" for k in range(len(matrix))))
        for k, row in enumerate(matrix):
            cells = "".join("    ." if value == 0 else f"{value:5.2f}" for value in row)
            click.echo(f"{k:>3} {classes[k]:>{width}}{cells}")
        return
    others = matrix.copy()
    np.fill_diagonal(others, 0)
    for k, row in enumerate(others):
        nearest = [j for j in np.argsort(-row, kind="stable")[:3] if row[j] > 0]
        largest = ", ".join(f"{classes[j]} {row[j]:.3f}" for j in nearest)
        click.echo(f"{k:>3} {classes[k]:>{width}}  stays {matrix[k, k]:.3f}; {largest}")


def _draw_pictures(out: Path, kind: NoiseKind, part: Drawn, manifest: Manifest, data: Data) -> None:
    import numpy as np

    from benchmark.errors import UsageError
    from benchmark.report import pictures
    from benchmark.runs.prepare import OUTSIDE
    from benchmark.seeds import seed_for

    if not kind.truth_known:
        raise UsageError(f"noise {kind.name!r}: the true labels are unknown, so there is nothing to draw")
    taken = part.take(part.kept, truth_known=True)
    assert taken.clean is not None
    clean, noisy, images = taken.clean, taken.noisy, taken.images
    names = {**dict(enumerate(data.classes)), OUTSIDE: "no class of the task"}
    wrong = np.flatnonzero(clean != noisy)
    chosen = np.random.default_rng(seed_for("sheet")).permutation(wrong)[:FLIPS]
    title = f"{data.name}, {kind.name}, realized rate {manifest.realized_rate:.3f}"
    flipped = [
        pictures.Captioned(images[i], (f"#{part.kept[i]}", f"{names[int(clean[i])]} -> {names[int(noisy[i])]}"))
        for i in np.sort(chosen)
    ]
    rates = manifest.realized_rate_per_class or []
    drawn_pictures = {
        "transition": pictures.heat_map(
            _realized(part), data.classes, f"{title}: realized T, clean (rows) to noisy (columns)"
        ),
        "rates": pictures.bars(rates, data.classes, f"{title}: share of wrong labels", manifest.realized_rate),
        "flips": pictures.sheet(flipped, f"{title}: {len(flipped)} of {len(wrong)} flipped training samples"),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, picture in drawn_pictures.items():
        path = out / f"{name}.png"
        picture.save(path)
        click.echo(f"{path}", err=True)
