"""`noisybench explain`: where the kept model of a run looks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.models import by_digest, model_options, name_of, record_of
from benchmark.cli.options import UserPath, add_plugins, say_what_takes_time
from benchmark.store.places import data_root as default_root

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.datasets.base import Dataset
    from benchmark.report.layouts.explanation import Explained
    from benchmark.runs.explain.maps import Maps
    from benchmark.runs.explain.models import Twin
    from benchmark.runs.explain.selection import Chosen
    from benchmark.store.content import Record

BASELINE = "ce"
OWN = "this run"
SEED = 0


@click.command()
@click.argument("run")
@click.option("--out", type=UserPath(file_okay=False), required=True, help="Folder to write to.")
@click.option("--dataset", "-d", help="The data set of the run, where it does not lie where it lay then.")
@click.option(
    "--images", multiple=True, metavar="IMAGE", help="An image: its file, or SPLIT:POSITION; may be repeated."
)
@click.option("--per-class", type=click.IntRange(0, 100), default=4, show_default=True, help="Images of each kind.")
@click.option("--show-private", is_flag=True, help="Draw images of data that a file .private marks.")
@click.option(
    "--data-root", type=UserPath(file_okay=False), default=default_root, help="Folder of downloaded data sets."
)
@model_options
def explain(
    run: str,
    out: Path,
    dataset: str | None,
    images: tuple[str, ...],
    per_class: int,
    show_private: bool,
    data_root: Path,
    weights: tuple[Path, ...],
    device: str,
    threads: int,
    plugins: tuple[Path, ...],
    results: Path,
) -> None:
    """Draw where the model of RUN (an id, or its beginning) looks, and whether that can be trusted.

    Explained are test images drawn at random, the most uncertain ones and memorized training images (whose wrong label
    the model predicts), some of each class, and those of --images. The maps are compared with those of cross entropy
    on the same data, noise and seed, and, where the truth is known, of the same method without noise, where these runs
    kept their models (`run --keep model`). Writes DIR/explain.md, a sheet of each kind of images (drawn.png, ...),
    maps.npz, images.csv, drift.csv, randomization.csv and deletion.csv.

    \b
    noisybench explain 3f2a --out maps
    noisybench explain 3f2a --out maps --images test:17 --images train:4 --per-class 0
    """
    say_what_takes_time(f"opening run {run}")
    import torch

    from benchmark.datasets.private import mark_of
    from benchmark.grid.job import Options
    from benchmark.grid.spec import RunSpec
    from benchmark.runs import kept_model
    from benchmark.runs.assemble import pick_device
    from benchmark.runs.explain.maps import Maps
    from benchmark.runs.explain.models import prepared_again, twins
    from benchmark.runs.explain.selection import choose
    from benchmark.store.store import Store

    add_plugins(plugins)
    torch.set_num_threads(threads)
    store, place = Store(results), pick_device(device)
    record = record_of(run, store)
    model = kept_model.read(record, store, place, by_digest(weights))
    options = Options(
        results=str(results.absolute()),
        data_root=str(data_root.absolute()),
        device=str(place),
        allow_unidentifiable=True,
    )
    named = None if dataset is None else _resolved(dataset, data_root)
    source, prepared = prepared_again(record, model.about, options, named)
    truth_known = prepared.train.clean is not None
    spec = RunSpec.model_validate(record["spec"])
    others = twins(spec, model.about, BASELINE, store, place, truth_known=truth_known)
    models = {OWN: model} | {twin.name: twin.model for twin in others if twin.model is not None}
    makers = {name: Maps(one, prepared.test.whole[:1]) for name, one in models.items()}
    chosen = choose(prepared, model, images, per_class, SEED)
    click.echo(f"{name_of(record)}: {len(chosen.images)} images, {len(models)} model(s)", err=True)
    found, maps = _explained(record, makers, others, chosen, truth_known=truth_known)
    mark = mark_of(source)
    hidden = "" if mark is None or show_private else f"{mark} marks this data as private, so no image is drawn"
    _write(out, found, maps, chosen, model.about.classes, draw=not hidden)
    if hidden:
        click.echo(f"{hidden}; --show-private draws them", err=True)
    for name, command in found.missing.items():
        click.echo(f"not compared with {name}, whose model is not kept; type `{command}`", err=True)
    click.echo(f"maps and their checks in {out / 'explain.md'}")


def _resolved(dataset: str, data_root: Path) -> Any:
    from benchmark.grid.plugin_ref import PluginRef
    from benchmark.grid.resolve import make_dataset, resolve_dataset

    ref = PluginRef.of(dataset)
    opened: Dataset = make_dataset(ref, data_root)[0]
    return resolve_dataset(ref, opened)


def _explained(
    record: Record, makers: Mapping[str, Maps], others: list[Twin], chosen: Chosen, *, truth_known: bool
) -> tuple[Explained, dict[str, NDArray[np.float64]]]:
    """What was found, and the maps [m, H, W] by the names of the models."""
    from benchmark.report.layouts.explanation import Explained
    from benchmark.runs.explain.checks import deletion, randomized
    from benchmark.runs.explain.comparison import overlaps, rank_correlations
    from benchmark.runs.explain.selection import GROUPS

    maps = {name: maker.of(chosen.images, chosen.targets) for name, maker in makers.items()}
    own, table = makers[OWN].model, chosen.table.copy()
    for name in [name for name in maps if name != OWN]:
        table[f"predicted {name}"] = makers[name].model.probabilities(chosen.images).argmax(1)
        table[f"drift {name}"] = 1 - rank_correlations(maps[OWN], maps[name])
        table[f"overlap {name}"] = overlaps(maps[OWN], maps[name])
    curves = deletion(own, chosen.images, chosen.targets, maps[OWN], SEED)
    stages = randomized(own, chosen.images, chosen.targets, maps[OWN], SEED)
    notes = (
        []
        if truth_known
        else [
            "the true labels are unknown: memorized images cannot be told, and there is no model of clean labels to "
            "compare with"
        ]
    )
    if truth_known and "memorized" not in set(table["group"]):
        notes.append("the model predicts the wrong label of no training image: none is memorized")
    return (
        Explained(
            run=name_of(record),
            images=table,
            groups=GROUPS,
            twins=[name for name in maps if name != OWN],
            missing={twin.name: twin.command for twin in others if twin.model is None},
            cells=makers[OWN].cells,
            randomized=[stage.correlations for stage in stages],
            gains=curves.gains,
            shares=curves.shares,
            by_map=curves.by_map,
            at_random=curves.at_random,
            notes=notes,
        ),
        maps,
    )


def _write(
    out: Path,
    found: Explained,
    maps: Mapping[str, NDArray[np.float64]],
    chosen: Chosen,
    classes: tuple[str, ...],
    *,
    draw: bool,
) -> None:
    """Writes all files; `draw`: sheets of images too."""
    import io

    import numpy as np

    from benchmark.report.layouts import explanation
    from benchmark.report.markdown import render_markdown
    from benchmark.store.atomic import write_atomically
    from benchmark.store.spreadsheet import to_csv

    table = found.images.dropna(axis=1, how="all").copy()
    for column in [name for name in table if name.split()[0] in ("given", "clean", "predicted")]:
        table[column] = ["" if k < 0 else classes[k] for k in table[column]]
    tables = {
        "images.csv": table,
        "drift.csv": explanation.drift_table(found).filter(regex="^(?!.*_text$)"),
        "randomization.csv": explanation.randomization_table(found),
        "deletion.csv": explanation.deletion_table(found),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, content in tables.items():
        write_atomically(out / name, to_csv(content))
    arrays = io.BytesIO()
    np.savez_compressed(arrays, allow_pickle=False, **{name: m.astype(np.float32) for name, m in maps.items()})
    write_atomically(out / "maps.npz", arrays.getvalue())
    text = render_markdown(explanation.document(found))
    for group in dict.fromkeys(found.images["group"]) if draw else ():
        _sheet(group, found, maps, chosen, classes).save(out / f"{group}.png")
        text += f"\n![{group}: images, and what in them speaks for the class]({group}.png)\n"
    write_atomically(out / "explain.md", text.encode())


def _sheet(
    group: str, found: Explained, maps: Mapping[str, NDArray[np.float64]], chosen: Chosen, classes: tuple[str, ...]
) -> Any:
    """Of every image of the group: the image, and over it the map of each model."""
    from benchmark.report import pictures

    items: list[pictures.Captioned] = []
    for place, row in enumerate(found.images.to_dict("records")):
        if row["group"] != group:
            continue
        image = chosen.images[place]
        name = Path(row["file"]).name if isinstance(row["file"], str) else f"{row['split']} {row['index']}"
        wrong = row["clean"] >= 0 and row["clean"] != row["given"]
        truth = f"truly {classes[row['clean']]}" if wrong else ""
        frame = pictures.WRONG if wrong else pictures.UNKNOWN
        items.append(pictures.Captioned(image, (name, f"labelled {classes[row['given']]}", truth), frame))
        for model, of_model in maps.items():
            predicted = row["predicted"] if model == OWN else row[f"predicted {model}"]
            drift = (
                "" if model == OWN else f"drift {row[f'drift {model}']:.2f}".replace("drift nan", "no drift: one is 0")
            )
            lines = (model, f"predicts {classes[predicted]}", drift)
            items.append(pictures.Captioned(pictures.overlaid(image, of_model[place]), lines))
    legend = "; red frame: the label is wrong" if any(item.frame == pictures.WRONG for item in items) else ""
    title = f"{found.run}: {group}; what speaks for the class that this run predicts{legend}"
    return pictures.sheet(items, title, columns=2 * (1 + len(maps)), cell=112)
