"""What `noisybench brief` says of a data set and its labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import pandas as pd

from benchmark.cli.data import MOST_PAIRS
from benchmark.cli.labels import raters_of
from benchmark.datasets import statistics
from benchmark.datasets.base import Data
from benchmark.datasets.conversion import describe
from benchmark.datasets.left_out import by_kind
from benchmark.labels import suspects as ranking
from benchmark.labels.doubts import Doubts, from_folder
from benchmark.labels.examined import in_all_splits
from benchmark.labels.label_errors import label_errors
from benchmark.labels.raters import examine
from benchmark.labels.relabelling import history_of
from benchmark.report.brief.facts import DataFacts, Doubtful, LabelFacts, ReaderFacts, Reading, Share
from benchmark.report.brief.numbers import count
from benchmark.runs.noisy_data import NoisyData
from benchmark.store.store import Store

if TYPE_CHECKING:
    from benchmark.labels.detectors import Probe
    from benchmark.labels.examined import Examined

WORST = 12
"""Labels that are shown with their images."""
BUDGETS = (0.05, 0.1, 0.2, 0.4)
"""Shares of all labels that a reader reads again."""
CONFUSIONS = ["given", "likely", "labels", "low", "high"]
SEED = 0
"""Of networks and of simulated noise: the same data give the same page."""


def data_facts(noisy: NoisyData, data: Data) -> DataFacts:
    parts = statistics.splits(data)
    groups = {name: set(part.groups) for name, part in parts.items() if part.groups is not None}
    patients = {name: len(members) for name, members in groups.items()} if len(groups) == len(parts) else {}
    sites = {name: pd.Series(part.sites).value_counts() for name, part in parts.items() if part.sites is not None}
    found = [*statistics.findings(data), *statistics.near_findings(data, MOST_PAIRS)]
    return DataFacts(
        name=noisy.source.dataset.label,
        counts=statistics.class_counts(data),
        patients=patients,
        all_patients=len(set().union(*groups.values())),
        sites=pd.DataFrame(sites, columns=list(parts)).fillna(0).astype(int) if sites else pd.DataFrame(),
        files="" if data.images is None else describe(data.images),
        left_out=(*by_kind(data.skipped), *_without_label(noisy)),
        notes=(*data.notes, *(sentence for sentence in found if not sentence.startswith("left out: "))),
    )


def _without_label(noisy: NoisyData) -> Iterator[str]:
    labels = noisy.source.labels
    if labels is not None and labels.leaves_out:
        left = count(int((labels.rows["label"] == "").sum()), "image")
        yield f"{left} to which {labels.path.name} gives no label"


@dataclass(frozen=True)
class Judge:
    """Which network judges labels, and where it is trained."""

    backbone: str
    device: str
    threads: int


def judged(noisy: NoisyData, data: Data, store: Store, folder: Path | None, judge: Judge) -> Doubts:
    """From the folder that `noisybench suspects` wrote, or by networks that are trained now."""
    from benchmark.labels.detectors import default

    if folder is not None:
        return from_folder(folder, noisy, data)
    examined = in_all_splits(noisy, data)
    probe = _probe(judge, noisy, examined, data, store)
    return Doubts(examined, default(probe)(probe), probe.held_out)


def _probe(judge: Judge, noisy: NoisyData, examined: Examined, data: Data, store: Store) -> Probe:
    import torch

    from benchmark.cli.probes import make_probe

    torch.set_num_threads(judge.threads)
    probe = make_probe(judge.backbone, noisy, examined, data, store, seed=SEED, device=judge.device)
    trained = "linear heads on its stored features" if probe.frozen else f"at most {probe.recipe.epochs} epochs each"
    click.echo(
        f"{data.name}: {len(probe.labels)} labels are judged by {probe.folds} folds of {probe.network.part.name}, "
        f"{trained}",
        err=True,
    )
    return probe


def label_facts(doubts: Doubts, noisy: NoisyData, data: Data, folder: Path | None) -> LabelFacts:
    """`folder`: of `noisybench suspects`, where the doubts are from there."""
    labels, places = doubts.examined.part.noisy, doubts.examined.places
    rate, doubt, pairs = None, "the labels were ranked by a run", pd.DataFrame(columns=CONFUSIONS)
    if doubts.held_out is not None:
        errors = label_errors(labels, doubts.held_out, data.classes)
        doubt = errors.rate.doubt or ""
        if errors.rate.low is not None and errors.rate.high is not None and errors.confusions is not None:
            rate, pairs = Share(errors.rate.rate, errors.rate.low, errors.rate.high), errors.confusions
    table = ranking.rank(labels, doubts.verdict)
    undecided = np.array([place not in doubts.decided for place in _places(places.iloc[table["index"]])])
    table = table[undecided & (table["given_label"] != table["suggested_label"]).to_numpy()].head(WORST)
    images = doubts.examined.images(table["index"].to_numpy())
    rows = table[["index", "given_label", "suggested_label"]].itertuples(index=False)
    worst = [
        Doubtful(image, _named(places.iloc[index]), data.classes[given], data.classes[suggested])
        for image, (index, given, suggested) in zip(images, rows, strict=True)
    ]
    return LabelFacts(
        examined=len(labels),
        splits=tuple(places["split"].unique()),
        rate=rate,
        doubt=doubt,
        pairs=pairs,
        worst=tuple(worst),
        listed="" if folder is None else str(folder / "suspects.csv"),
        decisions=dict(doubts.decisions),
        read_before=0 if noisy.source.labels is None else _read_for(noisy.source.labels.path),
    )


def _read_for(labels: Path) -> int:
    """How many labels people have read for a label set; 0 where no review led to it."""
    reviews = [step for step in history_of(labels) if "review" in step]
    return sum(number for step in reviews for decision, number in step["decisions"].items() if decision)


def reader_facts(noisy: NoisyData, data: Data, doubts: Doubts) -> ReaderFacts | None:
    """None where the data set has fewer than two readers, or a run judged its own labels."""
    names = raters_of(None, noisy.source.dataset, data)
    if not names or doubts.held_out is None:
        return None
    labels = doubts.examined.part.noisy
    everything = in_all_splits(noisy, data, names)
    assert everything.votes is not None
    votes = everything.votes[: len(labels)]  # of the training set, which comes first, where that alone was examined
    groups = None if everything.groups is None else everything.groups[: len(labels)]
    weak = label_errors(labels, doubts.held_out, data.classes).rate.doubt is not None
    found = examine(
        names, votes, labels, None, data.classes, doubts.held_out, kind=None, weak=weak, groups=groups, seed=SEED
    )
    readers = pd.DataFrame({"reader": list(names), "images": (votes >= 0).sum(0), "differ": list(found.differ)})
    wrong = pd.DataFrame(np.nan, index=readers.index, columns=["wrong", "low", "high"])
    if found.by_consensus is not None:
        wrong = found.by_consensus.table[["wrong", "low", "high"]]
    alpha = found.agreement.alpha
    return ReaderFacts(
        Share(alpha.value, alpha.low, alpha.high), found.agreement.images, readers.join(wrong), tuple(found.notes)
    )


def _places(places: pd.DataFrame) -> list[tuple[str, str]]:
    """Split and index of every label, as a ranking has them."""
    return list(zip(places["split"], places["index"].astype(str), strict=True))


def _named(place: pd.Series) -> str:
    return f"{place['split']} {place['index']}" if pd.isna(place["file"]) else str(place["file"])


def closed(labels: LabelFacts) -> Reading | None:
    """What chance and the best order find; None where the share of wrong labels is not known."""
    if labels.rate is None:
        return None
    n, rate = labels.examined, labels.rate.value
    read = np.array([max(1, round(share * n)) for share in BUDGETS])
    return Reading(_curve(read, n, rate * n))


def _curve(read: np.ndarray, labels: int, wrong: float) -> pd.DataFrame:
    """What is found of `wrong` labels by chance and in the best order."""
    return pd.DataFrame({"read": read, "random": wrong / labels * read, "perfect": np.minimum(read, wrong)})


def simulated(
    labels: LabelFacts, reading: Reading, store: Store, judge: Judge, made_wrong: Callable[[str], NoisyData]
) -> Reading:
    """With what the order of the list finds where as many labels are made wrong, evenly over all other classes.

    `made_wrong` reads the data with noise that a plugin string names.
    """
    from benchmark.labels.detectors import default
    from benchmark.labels.examined import with_noise
    from benchmark.labels.simulation import Labels, simulate

    assert labels.rate is not None
    wrong = max(labels.rate.value, 1 / labels.examined)
    noisy = made_wrong(f"symmetric:{wrong:.4f}")
    data = noisy.source.load(store.cache("data"))
    examined = with_noise(noisy, data, store.cache("data"))
    assert examined.part.clean is not None
    probe = _probe(judge, noisy, examined, data, store)
    known = Labels(examined.part.noisy, examined.part.clean, data.num_classes)
    detector = default(probe)
    budgets = reading.curve["read"].to_numpy()
    table = simulate({detector.name: detector(probe)}, known, budgets, accuracy=1.0, seed=SEED)
    listed = table[table["order"] == "quality"]
    made = int((examined.part.noisy != examined.part.clean).sum())  # not exactly the share that was asked for
    curve = _curve(budgets, len(examined.part.noisy), made).assign(listed=listed["found"].to_numpy())
    return Reading(curve, int(listed["stop"].iloc[0]), f"{detector.name}, {probe.network.part.name}")
