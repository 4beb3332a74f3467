"""`noisybench advise`: which method to use for one's own data and labels."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.run import run
from benchmark.errors import UsageError

if TYPE_CHECKING:
    from benchmark.cli.planned_grid import PlannedGrid
    from benchmark.labels.advice import Validation
    from benchmark.report.layouts.advice import Advice
    from benchmark.store.store import Store
    from benchmark.tables.comparison import Block

SUITE = "advise"
RULE = "val_noisy"
SEED = 0
"""Of the drawn validation sets: the same records give the same advice."""


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--dataset", "-d", required=True, help="folder:DIR, npz:FILE, pathmnist, ...")
@click.option(
    "--noise", "-n", default="as_is", show_default=True, help="Labels: as_is, given:worse, symmetric:0.4, ..."
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF run]...")
def advise(dataset: str, noise: str, arguments: tuple[str, ...]) -> int:
    """Say how wrong the labels of a data set are, and which methods may be the best for it.

    Trains the methods of the suite `advise` on the labels as they are, six seeds each, and compares them on the
    validation labels, which may be wrong too. On frozen features of a pretrained network this takes minutes, and its
    answer is of use for the network that is fine-tuned later. Further options are those of `run`.

    \b
    noisybench advise -d npz:ours.npz -b timm/tf_efficientnet_lite0:frozen=true,input_size=96,weights=imagenet
    noisybench advise -d folder:images --seeds 3
    """
    from benchmark.report.layouts.advice import document
    from benchmark.report.markdown import render_markdown

    grid, states = trained(dataset, noise, arguments)
    for advice in _advice(grid, shlex.join(["noisybench", "run", "-d", dataset, "-n", noise, *arguments])):
        click.echo(render_markdown(document(advice)), nl=False)
    return 1 if "failed" in states.values() else 0


def trained(dataset: str, noise: str, arguments: Sequence[str]) -> tuple[PlannedGrid, dict[str, str]]:
    """The grid of the suite, with its predictions kept, and the state of each of its runs."""
    from benchmark.cli.run import carry_out, plan_grid

    typed = [SUITE, "-d", dataset, "-n", noise, "--keep", "predictions", "--no-table", *arguments]
    parsed = run.make_context("run", list(typed))
    options = {name: value for name, value in parsed.params.items() if name != "suite"}
    if options["dry_run"]:
        raise UsageError(
            f"advise needs what runs give; leave --dry-run out, or type `noisybench run {SUITE} --dry-run`"
        )
    grid = plan_grid(parsed.params["suite"], options)
    _say_where_images_are_too_few(grid)
    return grid, carry_out(grid)


def _say_where_images_are_too_few(grid: PlannedGrid) -> None:
    """Before runs are made whose comparison would tell nothing."""
    from benchmark.labels.advice import LEAST_IMAGES
    from benchmark.runs.assemble import noise_of, source_of
    from benchmark.runs.preflight import waiting
    from benchmark.runs.prepare import prepare

    of_data = {job.labels["dataset"]: job for job in grid.todo if source_of(job).dataset.available()}
    for name, job in of_data.items():
        if waiting([job]):
            continue  # its labels are drawn when a classifier has been trained
        images = len(prepare(source_of(job), noise_of(job), grid.store.cache("data")).val.noisy)
        if images < LEAST_IMAGES:
            click.echo(
                f"{name} has {images} validation images: from {LEAST_IMAGES} on a method is named. The runs tell the "
                "noise rate only; `noisybench labels` tells more of it, sooner (Ctrl-C ends this)",
                err=True,
            )


def _advice(grid: PlannedGrid, command: str) -> list[Advice]:
    """One per data set, backbone and recipe of the grid."""
    from benchmark.cli.results import build_tables

    (table,) = build_tables(grid.store, grid.jobs, rules=(RULE,))
    return [advice_of(grid.store, block, table.baseline, command) for block in table.blocks]


def advice_of(store: Store, block: Block, baseline: str, command: str) -> Advice:
    """By the runs of `block`, which have kept predictions. `command`: as in `Advice`. Raises UsageError without a run
    of `baseline`."""
    import numpy as np

    from benchmark.labels.advice import LEAST_IMAGES, MARGIN, recommend
    from benchmark.report.layouts import pages
    from benchmark.report.layouts.advice import Advice

    found = validation(store, block)
    if baseline not in found.hits:
        raise UsageError(
            f"no run of {baseline} came to its end, and gains are told over it; `noisybench status` says why"
        )
    rate, interval, doubt = estimated_rate(store, block)
    methods = None
    if found.images >= LEAST_IMAGES:
        methods = recommend(found, baseline, rate or 0.0, np.random.default_rng(SEED))
    return Advice(
        place=pages.heading(block.place),
        metric=block.metric,
        baseline=baseline,
        images=found.images,
        seeds=len(found.hits[baseline]),
        rate=rate,
        rate_interval=interval,
        rate_doubt=doubt,
        methods=methods,
        margin=MARGIN,
        least_images=LEAST_IMAGES,
        command=f"{command} -m {{method}}",
    )


def validation(store: Store, block: Block) -> Validation:
    """What the runs of a block predicted on the validation images, in the epoch that these chose."""
    import numpy as np

    from benchmark.labels.advice import Validation
    from benchmark.store import kept
    from benchmark.tables.first_two import BALANCED

    hits: dict[str, list[Any]] = {}
    given: dict[str, list[Any]] = {}
    groups = None
    for row in block.runs.dropna(subset=["id"]).itertuples():
        record = store.read(str(row.id))
        if record is None or record["state"] != "ok":
            continue
        arrays = kept.read_predictions(store, str(row.id))
        labels, groups = arrays["val/labels"], arrays.get("val/groups")
        hits.setdefault(str(row.method), []).append(arrays[f"val/{RULE}"].argmax(1) == labels)
        given.setdefault(str(row.method), []).append(labels)
    return Validation(
        {name: np.stack(runs) for name, runs in hits.items()},
        {name: np.stack(runs) for name, runs in given.items()},
        block.metric == BALANCED,
        groups,
    )


def estimated_rate(store: Store, block: Block) -> tuple[float | None, tuple[float, float] | None, str]:
    """Mean of the estimates that runs were given, the interval of the first, or why there is none."""
    import numpy as np

    records = (store.read(str(run)) for run in block.runs["id"].dropna())
    noise = [record["noise"] for record in records if record is not None and record.get("noise")]
    estimated = [found for found in noise if found.get("estimated_rate") is not None]
    doubts = [found["estimate_doubt"] for found in estimated if found.get("estimate_doubt")]
    known = [found for found in estimated if not found.get("estimate_doubt")]
    if not known:
        return None, None, doubts[0] if doubts else "no run asked for it"
    ends = np.mean([found["estimate_interval"] for found in known], axis=0)
    return float(np.mean([found["estimated_rate"] for found in known])), (float(ends[0]), float(ends[1])), ""
