"""`noisybench relabel apply|revert|simulate`: from labels that people read again to a corrected label set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.noisy_data import load, read_noisy_data
from benchmark.cli.options import UserPath, place_options

if TYPE_CHECKING:
    import pandas as pd


@click.group()
def relabel() -> None:
    """Correct labels that people have read again, and find out beforehand what that would buy."""


@relabel.command()
@click.argument("review", type=UserPath(exists=True, dir_okay=False))
@click.option("--dataset", "-d", required=True, help="The data set that was examined: folder:DIR, npz:FILE, ...")
@click.option("--out", type=UserPath(dir_okay=False), required=True, help="CSV file to write.")
@place_options
def apply(review: Path, out: Path, **options: Any) -> None:
    """Write the labels of a data set after the decisions in REVIEW, for `noisybench run --labels`.

    REVIEW is suspects.csv of `noisybench suspects`, filled in, as CSV or Excel (.xlsx): decision is keep, relabel (with
    new_label), drop (the image is left out) or unsure (the label stays); or the JSON export of Label Studio. The data
    set itself is not changed. A file OUT.history.json beside OUT says who changed what, and `noisybench relabel revert`
    takes the last review back. To go on from an earlier label set, name it: -d folder:DIR,labels=earlier.csv.
    """
    from dataclasses import asdict, replace

    from benchmark.datasets.label_set import table_of
    from benchmark.errors import UsageError
    from benchmark.labels.relabelling import history_of, reviewed, write
    from benchmark.store.digests import digest
    from benchmark.store.store import Store

    if out.exists():
        raise UsageError(f"{out} exists already; choose another file with --out, as runs may have been trained on it")
    noisy = read_noisy_data(noise="as_is", seed=0, **options)
    load(noisy, options["results"])
    earlier = noisy.source.labels
    data = replace(noisy.source, labels=None).load(Store(options["results"]).cache("data"))
    rows, steps = table_of(data), []
    if earlier is not None:
        rows, steps = _complete(earlier.rows, rows), history_of(earlier.path)
    found = reviewed(_read_review(review), rows, data.classes, review.name)
    step = {
        "review": review.name,
        "review_digest": digest(review),
        "dataset": noisy.data_part.model_dump(mode="json"),
        "decisions": dict(found.decisions),
        "changes": [asdict(change) for change in found.changes],
    }
    written = write(out, found.rows, steps, step)
    dropped = sum(change.after == "" for change in found.changes)
    read = sum(count for decision, count in found.decisions.items() if decision)
    click.echo(
        f"{out}: {read} labels read, {len(found.changes) - dropped} changed, {dropped} images left out of {len(rows)}; "
        f"{written[:19]}"
    )
    click.echo(f"next: `noisybench run -d {options['dataset']} --labels {out} ...`", err=True)


@relabel.command()
@click.argument("labels", type=UserPath(exists=True, dir_okay=False))
@click.option("--out", type=UserPath(dir_okay=False), required=True, help="CSV file to write.")
def revert(labels: Path, out: Path) -> None:
    """Write the label set LABELS as it was before its last review."""
    from benchmark.datasets.label_set import LabelSet
    from benchmark.errors import UsageError
    from benchmark.labels.relabelling import history_of, undone, write

    if out.exists():
        raise UsageError(f"{out} exists already; choose another file with --out")
    steps = history_of(labels)
    if not steps:
        raise UsageError(
            f"{labels} has no history beside it, so nothing can be taken back; the column given has the "
            "labels of the data set"
        )
    last = steps[-1]
    before = undone(LabelSet.read(labels).rows, last)
    written = write(out, before, steps[:-1])
    click.echo(f"{out}: {len(last['changes'])} changes of {last['review']} taken back; {written[:19]}")


@relabel.command()
@click.option("--dataset", "-d", required=True, help="folder:DIR, npz:FILE, pathmnist, ...")
@click.option("--noise", "-n", required=True, help="What is wrong with the labels: symmetric:0.2, given:worse, ...")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of noise, networks and reader.")
@click.option("--backbone", "-b", default="cnn", show_default=True, help="resnet18, timm/NAME:frozen=true, ...")
@click.option("--detector", "detectors", multiple=True, help="May be repeated.  [default: that of `suspects`]")
@click.option(
    "--accuracy",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Share of images the reader gets right.",
)
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of all labels that is read; may be repeated.  [default: .05, .1, .2, .4 and the share of wrong labels]",
)
@click.option("--out", type=UserPath(dir_okay=False), help="CSV file to write all rows to.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@place_options
def simulate(
    noise: str,
    seed: int,
    backbone: str,
    detectors: tuple[str, ...],
    accuracy: float,
    budgets: tuple[float, ...],
    out: Path | None,
    device: str,
    **options: Any,
) -> None:
    """What a simulated reader finds in each order of reading: training, validation and test labels together.

    The noise is put into all splits. Orders: quality (the most doubtful first), uncertainty, both, class-balanced, at
    random and perfect. share_of_ceiling is what is found, of what the perfect order finds; left is the share of wrong
    labels afterwards, the reader's own errors among them. A reader who stops when fewer than one in ten of the last 50
    labels had to be changed would have stopped after `stop` labels.

    \b
    noisybench relabel simulate -d digits -n symmetric:0.2 --accuracy 0.95
    """
    import numpy as np

    from benchmark.cli.probes import make_probe
    from benchmark.labels.detectors import default, named
    from benchmark.labels.examined import with_noise
    from benchmark.labels.simulation import LEGEND, Labels, simulate
    from benchmark.runs.assemble import pick_device
    from benchmark.store.spreadsheet import to_csv
    from benchmark.store.store import Store

    torch_device = str(pick_device(device))
    noisy = read_noisy_data(noise=noise, seed=seed, device=torch_device, **options)
    data, store = load(noisy, options["results"]), Store(options["results"])
    examined = with_noise(noisy, data, store.cache("data"))
    probe = make_probe(backbone, noisy, examined, data, store, seed=seed, device=torch_device)
    chosen = [named(name) for name in detectors] or [default(probe)]
    verdicts = {one.name: one(probe) for one in chosen}
    assert examined.part.clean is not None
    labels = Labels(examined.part.noisy, examined.part.clean, data.num_classes)
    n, errors = len(labels.given), int(labels.wrong.sum())
    sizes = sorted({max(1, round(share * n)) for share in (*(budgets or (0.05, 0.1, 0.2, 0.4)), errors / n)})
    table = simulate(verdicts, labels, np.array(sizes), accuracy=accuracy, seed=seed)
    per_split = ", ".join(
        f"{count} {split}" for split, count in examined.places["split"].value_counts(sort=False).items()
    )
    click.echo(
        f"{data.name}: {n} labels ({per_split}), {errors} wrong ({errors / n:.3f}); reader right in {accuracy:.0%}"
    )
    click.echo(table.to_string(index=False, float_format="{:.3f}".format))
    for name, meaning in LEGEND.items():
        click.echo(f"{name}: {meaning}", err=True)
    if out is not None:
        from benchmark.store.atomic import write_atomically

        write_atomically(out, to_csv(table))


def _complete(rows: pd.DataFrame, whole: pd.DataFrame) -> pd.DataFrame:
    """The lines of an earlier label set in the order of the data set, those of splits that it does not hold added."""
    labels = rows.set_index([rows["split"], rows["index"].astype(int)])["label"]
    places = list(zip(whole["split"], whole["index"], strict=True))
    return whole.assign(label=[labels.get(place, given) for place, given in zip(places, whole["label"], strict=True)])


def _read_review(path: Path) -> pd.DataFrame:
    """The rows of a review; says what was assumed of its file."""
    from benchmark.datasets.base import DataError
    from benchmark.errors import UsageError
    from benchmark.labels.review_files import read

    try:
        review = read(path)
    except DataError as error:
        raise UsageError(
            f"{error}; expected a table as `noisybench suspects` writes it, filled in and saved as CSV, or as Excel "
            "(.xlsx) with one sheet, or the JSON export of Label Studio"
        ) from None
    if review.assumed:
        click.echo(f"{path}: {'; '.join(review.assumed)}", err=True)
    return review.rows
