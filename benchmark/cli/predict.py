"""`noisybench predict`: classes of new images by the model that a run has kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.models import by_digest, model_options, name_of, record_of
from benchmark.cli.options import Amount, UserPath, add_plugins, say_what_takes_time

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from benchmark.runs.prediction import Referral
    from benchmark.store.store import Store

SHARE = 0.1


@click.command()
@click.argument("run")
@click.argument("paths", nargs=-1, required=True, type=UserPath(), metavar="FOLDER|FILE...")
@click.option("--out", type=UserPath(dir_okay=False), required=True, help="CSV file to write.")
@click.option(
    "--refer-below", type=Amount(0, 1), metavar="P", help="Refer images whose largest probability is below P."
)
@click.option(
    "--refer-share",
    type=Amount(0, 1),
    metavar="SHARE",
    help=f"Choose P so that this share of the validation images would be referred.  [default: {SHARE}]",
)
@model_options
def predict(
    run: str,
    paths: tuple[Path, ...],
    out: Path,
    refer_below: float | None,
    refer_share: float | None,
    weights: tuple[Path, ...],
    device: str,
    threads: int,
    plugins: tuple[Path, ...],
    results: Path,
) -> int:
    """Classify images by the model of RUN (an id, or its beginning), which was run with `--keep model`.

    Images are folders, zip archives and files in PNG, JPEG, TIFF, BMP, WebP and DICOM format. They are read as the
    training images of the run were. The CSV has a row per image: file, class, a probability per class, refer (whether
    a person should look at it) and, where an image cannot be used, the reason; the exit code is 1 then.

    \b
    noisybench predict 3f2a new_images --out classes.csv
    noisybench predict 3f2a slide.png archive.zip --out classes.csv --refer-below .8
    """
    say_what_takes_time(f"opening run {run}")
    import pandas as pd
    import torch

    from benchmark.cli.progress import fetch_progress
    from benchmark.datasets import new_images
    from benchmark.errors import UsageError
    from benchmark.runs import kept_model, prediction
    from benchmark.runs.assemble import pick_device
    from benchmark.store.atomic import write_atomically
    from benchmark.store.spreadsheet import to_csv
    from benchmark.store.store import Store

    if refer_below is not None and refer_share is not None:
        raise UsageError("--refer-below and --refer-share are two ways to say the same; give one of them")
    add_plugins(plugins)
    torch.set_num_threads(threads)
    store = Store(results)
    record = record_of(run, store)
    model = kept_model.read(record, store, pick_device(device), by_digest(weights))
    referral = _referral(store, record["id"], refer_below, SHARE if refer_share is None else refer_share)
    kind = prediction.kind_of(record, model)
    click.echo(f"{name_of(record)}: model of epoch {model.about.epoch}, chosen by noisy validation labels", err=True)
    click.echo(f"expected: {kind.describe()}", err=True)
    click.echo(f"refer: largest probability below {referral.below:.4g}{referral.reason}", err=True)
    found = new_images.find(paths)
    if found.others:
        kinds = ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in found.others.most_common())
        click.echo(f"left out: {found.others.total()} file(s) that are no images ({kinds})", err=True)
    with fetch_progress() as report:
        tables = list(prediction.classified(new_images.read(found.files, kind, report), model, referral))
    table = pd.concat(tables, ignore_index=True)
    write_atomically(out, to_csv(table))
    return _tell(table, out)


def _referral(store: Store, run_id: str, below: float | None, share: float) -> Referral:
    from benchmark.errors import UsageError
    from benchmark.runs.kept_model import RULE
    from benchmark.runs.prediction import Referral, referral_of_share
    from benchmark.store.kept import read_predictions

    if below is not None:
        return Referral(below, "")
    try:
        validation: np.ndarray = read_predictions(store, run_id)[f"val/{RULE}"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"run {run_id} has no kept predictions of its validation images ({error}), by which --refer-share chooses; "
            "say the probability: --refer-below .8"
        ) from None
    return referral_of_share(validation, share)


def _tell(table: pd.DataFrame, out: Path) -> int:
    """Prints what came out; the exit code."""
    from benchmark.datasets.left_out import by_kind

    usable = table[table["problem"].isna()]
    for name, count in usable["class"].value_counts().items():
        click.echo(f"{name}: {count}")
    click.echo(f"{len(usable)} images classified, {int((usable['refer'] == 'yes').sum())} of them to refer; {out}")
    problems: dict[str, Any] = table.dropna(subset=["problem"]).set_index("file")["problem"].to_dict()
    if not problems:
        return 0
    click.echo(f"{len(problems)} image(s) could not be used:", err=True)
    for line in by_kind(problems):
        click.echo(f"  {line}", err=True)
    return 1
