"""`noisybench labels`: how wrong the labels of a data set are, and how far its raters agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.noisy_data import load, raters_named, read_noisy_data
from benchmark.cli.options import UserPath, place_options, say_what_takes_time
from benchmark.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from benchmark.datasets.base import Data, Dataset
    from benchmark.labels.agreement import Agreement
    from benchmark.labels.raters import Raters
    from benchmark.noise.rate_estimate import RateEstimate
    from benchmark.report.layouts.label_errors import Estimate, RatersFound
    from benchmark.runs.noisy_data import NoisyData

WORDS = {
    "majority": "the raters' majority",
    "dawid_skene": "that of Dawid and Skene, which weighs each rater by its confusion matrix",
    "crowdlab": "CROWDLAB's, which weighs the raters and the networks",
}
"""Kinds of consensus."""


@click.command()
@click.option("--dataset", "-d", required=True, help="table:FILE, folder:DIR, npz:FILE, pathmnist, ...")
@click.option("--noise", "-n", help="Add noise, to see how well this works: symmetric:0.2, given:worse, ...")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of noise, networks and ties.")
@click.option("--all-splits", is_flag=True, help="Examine validation and test labels too.")
@click.option("--backbone", "-b", help="resnet18, timm/NAME:frozen=true, ...  [default: see below]")
@click.option("--raters", help="Names of label arrays of one rater each: A,B,C  [default: those of a table]")
@click.option(
    "--consensus", type=click.Choice(list(WORDS)), help="What the raters are judged by.  [default: see below]"
)
@click.option("--labels-out", type=UserPath(dir_okay=False), help="Write the consensus, for `run --labels FILE`.")
@click.option("--out", type=UserPath(file_okay=False), help="Folder for the tables as CSV and JSON.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--threads", type=click.IntRange(1, 1024), default=1, show_default=True, help="Torch threads.")
@place_options
def labels(
    noise: str | None,
    seed: int,
    all_splits: bool,
    backbone: str | None,
    raters: str | None,
    consensus: str | None,
    labels_out: Path | None,
    out: Path | None,
    device: str,
    threads: int,
    **options: Any,
) -> None:
    """Say how many labels are wrong, of which classes, and how far raters agree.

    Networks judge labels that they were not trained on: linear heads on the features of a pretrained EfficientNet-Lite0
    where the extra [offline-weights] is installed, which are kept for the next call, else the small network. Where they
    are too weak, the answer is "cannot tell".

    With several raters an image: Cohen's kappa of each pair, Krippendorff's alpha, and the confusion matrix of each
    rater by their consensus: that of Dawid and Skene from three raters on, else CROWDLAB's, which weighs the networks
    too. --labels-out writes the consensus of all images as labels to train on.

    \b
    noisybench labels -d folder:images
    noisybench labels -d table:study.toml --all-splits --out labels
    noisybench labels -d table:study.toml --consensus crowdlab --labels-out labels.csv
    noisybench labels -d npz:cells.npz -n symmetric:0.2
    """
    say_what_takes_time(f"examining {options['dataset']}")
    import numpy as np
    import torch

    from benchmark.cli.probes import default_backbone, make_probe
    from benchmark.labels.agreement import alpha_of_counts
    from benchmark.labels.error_files import write_tables
    from benchmark.labels.examined import in_all_splits, in_training_set
    from benchmark.labels.label_errors import compare, label_errors
    from benchmark.labels.raters import examine
    from benchmark.report.layouts.label_errors import Report, document
    from benchmark.report.markdown import render_markdown
    from benchmark.runs.assemble import pick_device
    from benchmark.store.store import Store

    every_split = all_splits or labels_out is not None
    if noise is not None and every_split:
        raise UsageError(
            f"{'--all-splits' if all_splits else '--labels-out'} takes labels as they are; noise is for training "
            "labels: leave out --noise"
        )
    if labels_out is not None and labels_out.exists():
        raise UsageError(f"{labels_out} exists already; choose another file with --labels-out, as runs may use it")
    torch_device = str(pick_device(device))
    torch.set_num_threads(threads)
    noisy = read_noisy_data(noise=noise or "as_is", seed=seed, device=torch_device, threads=threads, **options)
    data, store = load(noisy, options["results"]), Store(options["results"])
    if labels_out is not None and noisy.source.labels is not None:
        raise UsageError("--labels-out is made from the labels of the data set itself; leave out labels= in -d")
    names = raters_of(raters, noisy.source.dataset, data)
    if (consensus or labels_out) and not names:
        raise UsageError(
            f"{data.name} names no raters, so there is no consensus; expected --raters A,B,C with names of its label "
            "arrays, or raters=[A,B,C] of a table"
        )
    examined = (
        in_all_splits(noisy, data, names) if every_split else in_training_set(noisy, data, store.cache("data"), names)
    )
    judge = backbone or default_backbone()
    probe = make_probe(judge, noisy, examined, data, store, seed=seed, device=torch_device)
    part = examined.part
    errors = label_errors(part.noisy, probe.held_out, data.classes)
    found = None
    if names:
        assert examined.votes is not None
        found = examine(
            names,
            examined.votes,
            part.noisy,
            part.clean,
            data.classes,
            probe.held_out,
            kind=consensus,
            weak=errors.rate.doubt is not None,
            groups=examined.groups,
            seed=seed,
        )
    agreed = None if found is None else found.agreement
    if found is None and examined.counts is not None:
        agreed = alpha_of_counts(examined.counts, examined.groups, np.random.default_rng(seed))
    truth = None if part.clean is None else compare(errors, part.noisy, part.clean, data.classes)
    report = Report(
        place=data.name,
        splits="all splits" if every_split else "training set",
        judge=probe.network.part.name,
        labels=errors.labels,
        classes=data.classes,
        estimate=_estimate(errors.rate),
        given=errors.given,
        confusions=errors.confusions,
        raters=_of_counts(agreed) if found is None else _of_raters(found, part.noisy),
        truth=() if truth is None else truth.sentences,
    )
    click.echo(render_markdown(document(report)), nl=False)
    if out is not None:
        write_tables(out, errors, agreed, found, truth, data.classes)
        click.echo(f"tables in {out}", err=True)
    if labels_out is not None:
        assert found is not None
        _write_consensus(labels_out, found, noisy, data, options["dataset"])


def raters_of(typed: str | None, dataset: Dataset, data: Data) -> tuple[str, ...]:
    """Names of the raters: as typed, else those that the data set knows and has."""
    if typed is not None:
        names = raters_named(typed)
        if len(names) < 2:
            raise UsageError(f"--raters {typed}: one rater cannot be compared; expected at least two names, A,B")
        return names
    from benchmark.datasets.statistics import splits

    present = {name for part in splits(data).values() for name in part.given}
    known = tuple(name for name in dataset.raters if name in present)
    if len(known) == 1:
        click.echo(f"{data.name} has one rater only, {known[0]}: agreement needs two", err=True)
    return known if len(known) > 1 else ()


def _estimate(rate: RateEstimate) -> Estimate:
    from benchmark.report.layouts.label_errors import Estimate

    interval = None if rate.low is None or rate.high is None else (rate.low, rate.high)
    return Estimate(rate.rate, interval, rate.doubt or "")


def _of_counts(found: Agreement | None) -> RatersFound | None:
    """Where only the number of raters who gave each class is known: how far they agree."""
    from benchmark.report.layouts.label_errors import RatersFound

    if found is None:
        return None
    alpha = (found.alpha.value, found.alpha.low, found.alpha.high)
    notes = ["only the numbers of raters who gave each class are known, so that nothing is said of single raters"]
    return RatersFound((), found.images, alpha, found.pairs, (), (), (), "", notes)


def _of_raters(found: Raters, given: np.ndarray) -> RatersFound:
    from benchmark.report.layouts.label_errors import Matrices, RatersFound

    references = (("by the consensus", found.by_consensus), ("by the truth", found.by_truth))
    said = ""
    if found.consensus is not None:
        known = found.consensus.labels >= 0
        differ = float((found.consensus.labels != given)[known].mean())
        said = f"The consensus is {WORDS[found.consensus.kind]}. It contradicts {differ:.1%} of the given labels."
    alpha = found.agreement.alpha
    return RatersFound(
        names=found.names,
        images=found.agreement.images,
        alpha=(alpha.value, alpha.low, alpha.high),
        pairs=found.agreement.pairs,
        differ=found.differ,
        by_networks=[_estimate(rate) for rate in found.by_networks],
        by=[Matrices(name, one.table, one.transitions) for name, one in references if one is not None],
        consensus=said,
        notes=found.notes,
    )


def _write_consensus(path: Path, found: Raters, noisy: NoisyData, data: Data, dataset: str) -> None:
    """The consensus as a label set with its history; images that no rater labelled keep their label."""
    from dataclasses import asdict

    from benchmark.labels.relabelling import replaced, write

    assert found.consensus is not None
    name = f"consensus {found.consensus.kind} of {', '.join(found.names)}"
    made = replaced(data, found.consensus.labels, name)
    step = {
        "review": name,
        "dataset": noisy.data_part.model_dump(mode="json"),
        "decisions": dict(made.decisions),
        "changes": [asdict(change) for change in made.changes],
    }
    write(path, made.rows, [], step)
    click.echo(f"{path}: {len(made.changes)} of {len(made.rows)} labels are others than before", err=True)
    click.echo(f"next: `noisybench run -d {dataset} --labels {path} ...`", err=True)
