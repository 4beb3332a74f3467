"""`noisybench suspects`: ranks labels by how likely they are to be wrong."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.noisy_data import load, read_noisy_data
from benchmark.cli.options import UserPath, place_options, say_what_takes_time

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from benchmark.datasets.base import Data
    from benchmark.noise.rate_estimate import RateEstimate
    from benchmark.runs.noisy_data import NoisyData
    from benchmark.runs.prepare import LabelledSet

EPOCHS = 8


@click.command()
@click.option("--dataset", "-d", required=True, help="folder:DIR, npz:FILE, pathmnist, ...")
@click.option("--noise", "-n", help="Add noise, to see how well this works: symmetric:0.2, given:worse, ...")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of noise and networks.")
@click.option("--out", type=UserPath(file_okay=False), required=True, help="Folder to write to.")
@click.option("--all-splits", is_flag=True, help="Examine validation and test labels too.")
@click.option("--backbone", "-b", default="cnn", show_default=True, help="resnet18, timm/NAME, ...")
@click.option("--epochs", type=click.IntRange(1, 1000), help="At most, per fold.  [default: 8, more on few images]")
@click.option("--folds", type=click.IntRange(2, 50), default=5, show_default=True)
@click.option("--budget", "budgets", multiple=True, type=click.IntRange(min=1), help="Labels that you would look at.")
@click.option("--top", type=click.IntRange(0, 1000), default=64, show_default=True, help="Images on the sheet.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--threads", type=click.IntRange(1, 1024), default=1, show_default=True, help="Torch threads.")
@place_options
def suspects(
    noise: str | None,
    seed: int,
    out: Path,
    all_splits: bool,
    backbone: str,
    epochs: int | None,
    folds: int,
    budgets: tuple[int, ...],
    top: int,
    device: str,
    threads: int,
    **options: Any,
) -> None:
    """Rank the labels of a data set by how doubtful networks find them that were not trained on the image.

    Writes DIR/suspects.csv (the most doubtful first), DIR/suspects.png (the first of them), DIR/summary.json and
    DIR/probabilities.npz. With --noise the wrong labels are known, and precision and recall are printed.

    \b
    noisybench suspects -d folder:images --all-splits --out suspects
    noisybench suspects -d bloodmnist --noise symmetric:0.2 --seed 1 --out trial
    """
    say_what_takes_time(f"examining {options['dataset']}")
    from benchmark.errors import UsageError
    from benchmark.grid.plugin_ref import PluginRef
    from benchmark.grid.resolve import resolve_backbone
    from benchmark.grid.spec import Augment, Recipe, Seeds
    from benchmark.labels import suspects as ranking
    from benchmark.labels.out_of_fold import out_of_fold
    from benchmark.noise import rate_estimate
    from benchmark.runs.assemble import Network, open_backbone, pick_device
    from benchmark.runs.clean_classifier import sized
    from benchmark.runs.prepare import OUTSIDE
    from benchmark.store.store import Store

    if all_splits and noise is not None:
        raise UsageError("--all-splits examines labels as they are; noise is for training labels: leave out --noise")
    torch_device = pick_device(device)
    resolved = resolve_backbone(PluginRef.of(backbone))
    network = Network(open_backbone(resolved.part, resolved.files), resolved.part)
    noisy = read_noisy_data(noise=noise or "as_is", seed=seed, device=str(torch_device), threads=threads, **options)
    data = load(noisy, options["results"])
    part, places = _examined(noisy, data, all_splits, Store(options["results"]).cache("data"))
    augment = Augment(**noisy.source.dataset.augment) if resolved.augmented else Augment()
    recipe = sized(Recipe(epochs=EPOCHS, schedule="cosine", augment=augment), len(part.noisy))
    if epochs is not None:
        recipe = recipe.model_copy(update={"epochs": epochs})
    started = time.perf_counter()
    fits = f"{folds} folds of {network.part.name}, at most {recipe.epochs} epochs each"
    click.echo(f"{data.name}: {len(part.noisy)} labels, {fits}", err=True)
    cache = Store(options["results"]).cache("features")
    held_out = out_of_fold(
        network,
        part,
        data.num_classes,
        recipe,
        Seeds.equal(seed),
        folds=folds,
        cache=cache,
        device=torch_device,
        threads=threads,
    )
    probabilities = held_out.probabilities
    table = ranking.rank(part.noisy, probabilities)
    verdict, open_set = None, None
    if part.clean is not None:
        by_rank = table["index"].to_numpy()
        wrong = (part.noisy != part.clean)[by_rank]
        verdict = ranking.judge(wrong, table["score"].to_numpy(), budgets or ranking.BUDGETS)
        table["clean_label"] = part.clean[by_rank]
        if (outside := (part.clean == OUTSIDE)[by_rank]).any():
            open_set = ranking.judge(outside, table["score"].to_numpy(), budgets or ranking.BUDGETS)
    estimate = rate_estimate.estimate_rate(part.noisy, held_out)
    _print(len(table), estimate, verdict)
    if open_set is not None:
        click.echo(f"images of no class of the task {open_set['wrong']}, AUROC of finding them {open_set['auroc']:.4f}")
    summary = {
        "dataset": noisy.data_part.model_dump(mode="json"),
        "noise": noisy.noise_part.model_dump(mode="json"),
        "seed": seed,
        "backbone": network.part.model_dump(mode="json"),
        "recipe": recipe.model_dump(mode="json"),
        "folds": folds,
        "labels": len(table),
        "estimated_noise_rate": None if estimate.doubt else estimate.rate,
        "estimate_interval": estimate.interval,
        "estimate_doubt": estimate.doubt,
        "found": verdict,
        "found_open_set": open_set,
        "seconds": time.perf_counter() - started,
    }
    _write(out, _named(table, places, data), summary, part.noisy, probabilities)
    if top:
        sheet = _sheet(table.head(top), part, data, verdict is not None)
        sheet.save(out / "suspects.png")
    click.echo(f"ranking in {out / 'suspects.csv'}", err=True)


def _examined(noisy: NoisyData, data: Data, all_splits: bool, cache: Path) -> tuple[LabelledSet, pd.DataFrame]:
    """The labels to examine, and for each its index in its split, the split, and its file where there is one."""
    import numpy as np
    import pandas as pd

    from benchmark.datasets.statistics import splits
    from benchmark.runs.prepare import LabelledSet

    if all_splits:
        parts = splits(data)
        everything = LabelledSet(
            np.concatenate([part.images for part in parts.values()]),
            np.concatenate([part.labels for part in parts.values()]),
            None,
        )
        places = [
            pd.DataFrame({"split": name, "index": range(len(part)), "file": part.files}) for name, part in parts.items()
        ]
        return everything, pd.concat(places, ignore_index=True)
    drawn = noisy.noise.draw(noisy.source, data, cache)
    kept = drawn.train.kept
    part = drawn.train.take(kept, truth_known=drawn.kind.truth_known)
    # Images of their own, so that the indices of the ranking are those of the samples.
    part = LabelledSet(part.images, part.noisy, part.clean)
    names = None if data.train.files is None else [data.train.files[i] for i in kept]
    return part, pd.DataFrame({"index": kept, "file": names})


def _named(table: pd.DataFrame, places: pd.DataFrame, data: Data) -> pd.DataFrame:
    """The ranking with the place of each sample and the names of its classes."""
    import pandas as pd

    located = places.iloc[table["index"]].dropna(axis=1, how="all").reset_index(drop=True)
    named = pd.concat([located, table.drop(columns="index")], axis=1)
    if data.classes != tuple(map(str, range(data.num_classes))):
        for column in ("given", "suggested"):
            names = [data.classes[k] for k in table[f"{column}_label"]]
            named.insert(named.columns.get_loc(f"{column}_label") + 1, f"{column}_class", names)
    return named


def _write(
    out: Path, table: pd.DataFrame, summary: dict[str, Any], labels: np.ndarray, probabilities: np.ndarray
) -> None:
    import numpy as np
    import orjson

    from benchmark.store.atomic import write_atomically

    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, labels=labels, probabilities=probabilities)
    write_atomically(out / "probabilities.npz", content.getvalue())
    write_atomically(out / "summary.json", orjson.dumps(summary, option=orjson.OPT_INDENT_2))
    write_atomically(out / "suspects.csv", table.to_csv(index=False, float_format="%.6g").encode())


def _print(n: int, estimate: RateEstimate, verdict: dict[str, Any] | None) -> None:
    about = "" if estimate.doubt else f": about {round(estimate.rate * n)} of {n} labels"
    click.echo(f"estimated noise rate {estimate.text}{about}")
    if verdict is None:
        click.echo("look at the first rows of the ranking, as many as your time allows")
        return
    click.echo(f"wrong labels {verdict['wrong']} ({verdict['wrong'] / n:.3f})")
    if verdict["auroc"] is None:
        return
    click.echo(f"AUROC {verdict['auroc']:.4f}, average precision {verdict['average_precision']:.4f}\n")
    click.echo("first k  precision  recall")
    for row in verdict["at"]:
        note = "  (the number of wrong labels)" if row["k"] == verdict["wrong"] else ""
        click.echo(f"{row['k']:>7}  {row['precision']:9.3f}  {row['recall']:6.3f}{note}")


def _sheet(head: pd.DataFrame, part: LabelledSet, data: Data, truth_known: bool) -> Any:
    from benchmark.report import pictures

    items = []
    for row in head.to_dict("records"):
        given, suggested, i = row["given_label"], row["suggested_label"], row["index"]
        frame = pictures.UNKNOWN
        if truth_known:
            frame = pictures.WRONG if row["clean_label"] != given else pictures.RIGHT
        names = f"{data.classes[given]} -> {data.classes[suggested]}"
        items.append(pictures.Captioned(part.images[i], (f"#{i}", names), frame))
    colors = "; red: the label is wrong, green: it is right" if truth_known else ""
    return pictures.sheet(items, f"{data.name}: the {len(items)} most suspicious labels, given -> suggested{colors}")
