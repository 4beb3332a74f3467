"""`noisybench samples`: a sheet of the images that the method of a run generates."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.cli.models import by_digest, model_options, name_of, record_of
from benchmark.cli.options import UserPath, add_plugins, say_what_takes_time


@click.command()
@click.argument("run")
@click.option("--out", type=UserPath(dir_okay=False), required=True, help="PNG file to write.")
@click.option("--per-class", type=click.IntRange(1, 100), default=12, show_default=True, help="Images in a row.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the images that are drawn.")
@model_options
def samples(
    run: str,
    out: Path,
    per_class: int,
    seed: int,
    weights: tuple[Path, ...],
    device: str,
    threads: int,
    plugins: tuple[Path, ...],
    results: Path,
) -> None:
    """Draw images that the method of RUN generates (an id, or its beginning), a row per class.

    The run was made with `--keep model`, by a method that generates training images. They may resemble training
    images closely: treat the sheet as you treat the data.

    \b
    noisybench run -d digits -b cnn -m cgan_augment -n symmetric:0.4 --seeds 1 --keep model
    noisybench samples 3f2a --out sheet.png
    """
    say_what_takes_time(f"opening run {run}")
    import numpy as np
    import torch

    from benchmark.errors import UsageError
    from benchmark.report import pictures
    from benchmark.runs import kept_model
    from benchmark.runs.assemble import pick_device
    from benchmark.seeds import seed_everything
    from benchmark.store.store import Store
    from methods.base import Generative

    add_plugins(plugins)
    torch.set_num_threads(threads)
    store = Store(results)
    record = record_of(run, store)
    model = kept_model.read(record, store, pick_device(device), by_digest(weights))
    if not isinstance(model.method, Generative):
        raise UsageError(
            f"{record['spec']['method']['name']} generates no images; expected a run of a method with `generate`, such "
            "as those of the family augmentation (`noisybench list methods`)"
        )
    classes = model.about.classes
    labels = torch.arange(len(classes), device=model.device).repeat_interleave(per_class)
    seed_everything(seed)
    with torch.no_grad():
        images = model.method.generate(labels).clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1)
    picture = pictures.contact_sheet(np.ascontiguousarray(images.cpu()), labels.cpu().numpy(), classes, per_class)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        picture.save(out, format="PNG")
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}; choose another file with --out") from None
    click.echo(f"{name_of(record)}: {per_class} images of each of {len(classes)} classes in {out}")
