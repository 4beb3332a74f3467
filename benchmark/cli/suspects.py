"""`noisybench suspects`: ranks labels by how likely they are to be wrong."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.noisy_data import load, raters_named, read_noisy_data
from benchmark.cli.options import UserPath, place_options, say_what_takes_time

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.datasets.base import Data
    from benchmark.labels.detectors import Probe, Verdict
    from benchmark.labels.examined import Examined
    from benchmark.noise.rate_estimate import HeldOut, RateEstimate
    from benchmark.runs.noisy_data import NoisyData

TABLE = "suspects.csv"


@click.command()
@click.option("--dataset", "-d", required=True, help="folder:DIR, npz:FILE, pathmnist, ...")
@click.option("--noise", "-n", help="Add noise, to see how well this works: symmetric:0.2, given:worse, ...")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of noise and networks.")
@click.option("--out", type=UserPath(file_okay=False), required=True, help="Folder to write to.")
@click.option("--all-splits", is_flag=True, help="Examine validation and test labels too.")
@click.option(
    "--detector", help="How labels are judged; `noisybench suspects --help` lists them.  [default: see below]"
)
@click.option(
    "--backbone", "-b", "backbones", multiple=True, help="resnet18, timm/NAME:frozen=true, ...; may be repeated: mean."
)
@click.option("--raters", help="Names of label arrays of several raters, for the detector that compares them: A,B,C")
@click.option("--from", "run", metavar="RUN", help="Rank by what the method of this run kept and changed.")
@click.option("--epochs", type=click.IntRange(1, 1000), help="At most, per network.  [default: 8, more on few images]")
@click.option("--folds", type=click.IntRange(2, 50), default=5, show_default=True)
@click.option("--budget", "budgets", multiple=True, type=click.IntRange(min=1), help="Labels that you would look at.")
@click.option("--top", type=click.IntRange(0, 1000), default=64, show_default=True, help="Images on the sheet.")
@click.option("--label-studio", is_flag=True, help="Write the images of the sheet as tasks for Label Studio too.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--threads", type=click.IntRange(1, 1024), default=1, show_default=True, help="Torch threads.")
@place_options
def suspects(
    noise: str | None,
    seed: int,
    out: Path,
    all_splits: bool,
    detector: str | None,
    backbones: tuple[str, ...],
    raters: str | None,
    run: str | None,
    epochs: int | None,
    folds: int,
    budgets: tuple[int, ...],
    top: int,
    label_studio: bool,
    device: str,
    threads: int,
    **options: Any,
) -> None:
    """Rank the labels of a data set by how doubtful they are.

    Writes DIR/suspects.csv (the most doubtful first, with empty columns for the person who reads them again),
    DIR/suspects.png (the first of them), DIR/summary.json and DIR/probabilities.npz. `noisybench relabel apply` makes a
    corrected label set of the filled-in table. With --noise the wrong labels are known, and precision and recall are
    printed.

    Detectors: self_confidence, margin, entropy and posterior judge by networks that were not trained on the image; aum,
    loss, forgetting and in_sample watch one training on all; knn and heads (the default there) work on the features of
    a frozen backbone; crowdlab (the default with --raters) compares several raters. Elsewhere the default is
    self_confidence.

    \b
    noisybench suspects -d folder:images --all-splits --out suspects
    noisybench suspects -d folder:images -b timm/vit_small_patch14_dinov2:frozen=true --out suspects
    noisybench suspects -d bloodmnist --noise symmetric:0.2 --seed 1 --out trial
    noisybench suspects -d bloodmnist --from 3f2a --out dropped
    """
    say_what_takes_time(f"examining {options['dataset']}")
    from benchmark.cli.probes import default_backbone, make_probe
    from benchmark.errors import UsageError
    from benchmark.labels import suspects as ranking
    from benchmark.labels.examined import in_all_splits, in_training_set
    from benchmark.runs.assemble import pick_device
    from benchmark.runs.prepare import OUTSIDE
    from benchmark.store.store import Store

    if all_splits and noise is not None:
        raise UsageError("--all-splits examines labels as they are; noise is for training labels: leave out --noise")
    excluded = {"--noise": noise, "--all-splits": all_splits, "--detector": detector, "--backbone": backbones}
    if run is not None and (both := [name for name, value in excluded.items() if value]):
        raise UsageError(f"--from ranks the labels that a run was trained on; leave out {', '.join(both)}")
    _refuse_to_replace(out / TABLE)
    torch_device = str(pick_device(device))
    noisy = read_noisy_data(noise=noise or "as_is", seed=seed, device=torch_device, threads=threads, **options)
    data, store = load(noisy, options["results"]), Store(options["results"])
    names = raters_named(raters) if raters else ()
    if raters is None and run is None and len(known := noisy.source.dataset.raters) > 1:
        click.echo(f'the labels of {", ".join(known)} are not looked at; --raters "{",".join(known)}" does', err=True)
    if run is None and not backbones and (larger := default_backbone()) != "cnn":
        click.echo(f"the small network judges; `labels` judges by -b {larger}, whose weights are installed", err=True)
    started = time.perf_counter()
    about: dict[str, Any]
    if run is not None:
        examined, verdict, about = _of_run(noisy, data, store, run)
        estimate, held_out = None, None
    else:
        if all_splits:
            examined = in_all_splits(noisy, data, names)
        else:
            examined = in_training_set(noisy, data, store.cache("data"), names)
        probes = [
            make_probe(
                backbone, noisy, examined, data, store, epochs=epochs, folds=folds, seed=seed, device=torch_device
            )
            for backbone in backbones or ("cnn",)
        ]
        verdict, about = _judged(probes, detector, data, threads)
        estimate, held_out = probes[0].estimate, probes[0].held_out
    part = examined.part
    table = ranking.rank(part.noisy, verdict)
    by_rank = table["index"].to_numpy()
    found, open_set = None, None
    if part.clean is not None:
        wrong = (part.noisy != part.clean)[by_rank]
        found = ranking.judge(wrong, table["score"].to_numpy(), budgets or ranking.BUDGETS)
        table["clean_label"] = part.clean[by_rank]
        if (outside := (part.clean == OUTSIDE)[by_rank]).any():
            open_set = ranking.judge(outside, table["score"].to_numpy(), budgets or ranking.BUDGETS)
    _print(len(table), estimate, found)
    if open_set is not None:
        click.echo(f"images of no class of the task {open_set['wrong']}, AUROC of finding them {open_set['auroc']:.4f}")
    summary = {
        "dataset": noisy.data_part.model_dump(mode="json"),
        "noise": noisy.noise_part.model_dump(mode="json"),
        "seed": seed,
        **about,
        "labels": len(table),
        "estimated_noise_rate": None if estimate is None or estimate.doubt else estimate.rate,
        "estimate_interval": None if estimate is None else estimate.interval,
        "estimate_doubt": None if estimate is None else estimate.doubt,
        "found": found,
        "found_open_set": open_set,
        "seconds": time.perf_counter() - started,
    }
    review = _named(table, examined.places, data)
    _write(out, review, summary, examined, verdict, held_out)
    if top:
        _sheet(review.head(top), by_rank, examined, data).save(out / "suspects.png")
    if label_studio:
        _write_tasks(out, review.head(top), by_rank, examined, data, about["detector"])
    click.echo(f"ranking in {out / TABLE}", err=True)


def _refuse_to_replace(table: Path) -> None:
    """Raises UsageError where `table` holds what somebody has read."""
    from benchmark.datasets.base import DataError
    from benchmark.errors import UsageError
    from benchmark.labels.review_files import filled_in

    try:
        count = filled_in(table)
        found = f"{table} holds {count} row(s) that somebody filled in" if count else ""
    except DataError as error:
        found = f"what somebody has read may stand in {table} ({error})"
    if found:
        raise UsageError(f"{found}, and would be replaced; give another folder with --out, or move the file away")


def _judged(probes: list[Probe], detector: str | None, data: Data, threads: int) -> tuple[Verdict, dict[str, Any]]:
    """The verdict, averaged over the backbones, and how it was found."""
    import torch

    from benchmark.labels.detectors import averaged, default, named

    torch.set_num_threads(threads)
    chosen = [named(detector) if detector else default(probe) for probe in probes]
    for probe, one in zip(probes, chosen, strict=True):
        fits = f"{probe.folds} folds of {probe.network.part.name}, at most {probe.recipe.epochs} epochs each"
        click.echo(f"{data.name}: {len(probe.labels)} labels, detector {one.name}, {fits}", err=True)
    verdict = averaged([one(probe) for probe, one in zip(probes, chosen, strict=True)])
    return verdict, {
        "detector": "+".join(dict.fromkeys(one.name for one in chosen)),
        "backbones": [probe.network.part.model_dump(mode="json") for probe in probes],
        "recipe": probes[0].recipe.model_dump(mode="json"),
        "folds": probes[0].folds,
    }


def _of_run(noisy: NoisyData, data: Data, store: Any, run: str) -> tuple[Examined, Verdict, dict[str, Any]]:
    from benchmark.cli.models import ended
    from benchmark.labels.examined import of_run
    from benchmark.labels.reports_of_run import verdict_of

    run_id = ended(run, store)
    examined, told = of_run(noisy, data, store, run_id)
    reported = sorted(told.keys() & {"kept", "score", "label"})
    said = f"its method reported {', '.join(reported)}" if reported else "its method reported nothing of single samples"
    click.echo(f"{data.name}: {len(examined.part.noisy)} labels that run {run_id} was trained on; {said}", err=True)
    return examined, verdict_of(told, examined.part.noisy), {"detector": f"run {run_id}", "run": run_id}


def _named(table: pd.DataFrame, places: pd.DataFrame, data: Data) -> pd.DataFrame:
    """The ranking with the place of each sample, the names of its classes, and columns to fill in."""
    import pandas as pd

    from benchmark.labels.review_files import ANSWERS

    located = places.iloc[table["index"]].dropna(axis=1, how="all").reset_index(drop=True)
    named = pd.concat([located, table.drop(columns="index")], axis=1)
    for column in ("given", "suggested"):
        names = [data.classes[k] for k in table[f"{column}_label"]]
        named.insert(named.columns.get_loc(f"{column}_label") + 1, f"{column}_class", names)
    return named.assign(**dict.fromkeys(ANSWERS, ""))


def _write(
    out: Path,
    review: pd.DataFrame,
    summary: dict[str, Any],
    examined: Examined,
    verdict: Verdict,
    held_out: HeldOut | None,
) -> None:
    import numpy as np
    import orjson

    from benchmark.store.atomic import write_atomically
    from benchmark.store.spreadsheet import composed_cells, to_csv

    content = io.BytesIO()
    labels = examined.part.noisy
    judged: dict[str, Any] = {} if held_out is None else {"held_out": held_out.probabilities, "twins": held_out.twins}
    np.savez_compressed(
        content, allow_pickle=False, labels=labels, probabilities=verdict.probabilities, scores=verdict.score, **judged
    )
    write_atomically(out / "probabilities.npz", content.getvalue())
    write_atomically(out / "summary.json", orjson.dumps(summary, option=orjson.OPT_INDENT_2))
    write_atomically(out / TABLE, to_csv(composed_cells(review)))


def _write_tasks(out: Path, head: pd.DataFrame, by_rank: Any, examined: Examined, data: Data, detector: str) -> None:
    """Tasks of the rows of `head`. Images that are no files of their own are written as PNG."""
    from PIL import Image

    from benchmark.labels.review_files import label_studio_config, label_studio_tasks
    from benchmark.store.atomic import write_atomically

    paths = dict(enumerate(head["file"])) if "file" in head else {}
    if not paths:
        (out / "images").mkdir(parents=True, exist_ok=True)
        for place, image in enumerate(examined.images(by_rank[: len(head)])):
            paths[place] = f"images/{place:04d}.png"
            Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(out / paths[place])
    write_atomically(out / "label_studio.json", label_studio_tasks(head, paths, detector))
    write_atomically(out / "label_studio.xml", label_studio_config(data.classes))
    folder = "the folder of the data set" if "file" in head else str(out)
    click.echo(f"tasks in {out / 'label_studio.json'}; Label Studio must serve local files from {folder}", err=True)


def _print(n: int, estimate: RateEstimate | None, verdict: dict[str, Any] | None) -> None:
    if estimate is not None:
        about = "" if estimate.doubt else f": about {round(estimate.rate * n)} of {n} labels"
        click.echo(f"estimated noise rate {estimate.text}{about}")
    if verdict is None:
        click.echo("look at the first rows of the ranking, as many as your time allows")
        return
    click.echo(f"wrong labels {verdict['wrong']} ({verdict['wrong'] / n:.3f})")
    if verdict["auroc"] is None:
        return
    click.echo(f"AUROC {verdict['auroc']:.4f}, average precision {verdict['average_precision']:.4f}\n")
    click.echo("first k  precision  recall  of the best order")
    for row in verdict["at"]:
        note = "  (the number of wrong labels)" if row["k"] == verdict["wrong"] else ""
        shares = f"{row['precision']:9.3f}  {row['recall']:6.3f}  {row['share_of_ceiling']:17.3f}"
        click.echo(f"{row['k']:>7}  {shares}{note}")


def _sheet(head: pd.DataFrame, by_rank: Any, examined: Examined, data: Data) -> Any:
    from benchmark.report import pictures

    items = []
    rows = zip(head.to_dict("records"), examined.images(by_rank[: len(head)]), strict=True)
    for row, image in rows:
        frame = pictures.UNKNOWN
        if "clean_label" in head:
            frame = pictures.WRONG if row["clean_label"] != row["given_label"] else pictures.RIGHT
        name = Path(row["file"]).name if "file" in head else f"{row['split']} #{row['index']}"
        items.append(pictures.Captioned(image, (name, f"{row['given_class']} -> {row['suggested_class']}"), frame))
    colors = "; red: the label is wrong, green: it is right" if "clean_label" in head else ""
    return pictures.sheet(items, f"{data.name}: the {len(items)} most suspicious labels, given -> suggested{colors}")
