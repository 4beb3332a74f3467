"""`noisybench bench`: times the suite against baselines of the same session, and the machine itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from benchmark.cli.options import Amount, say_what_takes_time

if TYPE_CHECKING:
    from benchmark.checks.speed.machine import Division

RECORDS = 100_000


@click.group(invoke_without_command=True)
@click.pass_context
@click.option(
    "--records",
    type=click.IntRange(10, 10_000_000),
    default=RECORDS,
    show_default=True,
    help="Records that `status` and `table` are timed on.",
)
@click.option("--method", "-m", "methods", multiple=True, help="Time the step of these methods only.")
def bench(ctx: click.Context, records: int, methods: tuple[str, ...]) -> None:
    """Time steps, augmentation, noise, store, tables and start-up, each against a baseline of this session.

    Prints Markdown. Only the ratios may be compared with those of another day or machine.
    """
    if ctx.invoked_subcommand is not None:
        return
    say_what_takes_time("timing the suite")
    from benchmark.checks.speed import ratios
    from benchmark.errors import UsageError
    from benchmark.registry import METHODS

    for name in methods:
        METHODS.find(name)
    if "ce" in methods:
        raise UsageError("--method ce is the baseline of every step; name another one")
    _heading()
    _row("work", "seconds", "baseline", "seconds", "ratio")
    _row(*["---"] * 5)
    for result in ratios.everything(records, list(methods) or None):
        times = result.ratio
        _row(result.work, f"{times.work:.4f}", result.baseline, f"{times.baseline:.4f}", f"{times.value:.3g}")


@bench.command()
@click.option("--seconds", type=Amount(0.1, 600), default=10.0, show_default=True, help="Length of each trial.")
def machine(seconds: float) -> None:
    """Time every even division of the cores into processes and threads, and propose --slots.

    Trains ResNet-18 on 28x28 images (7x7 stem, batch 128, flip and rotation) with the suite's own engine.
    """
    say_what_takes_time("timing the machine")
    import torch

    from benchmark.checks.speed import machine as machines
    from benchmark.checks.speed.machine import Division, Training
    from benchmark.store.provenance import cores

    device = "cuda" if torch.cuda.is_available() else "cpu"
    _heading()
    for division in dict.fromkeys([Division(1, cores()), Division(cores(), 1)]):
        peak = machines.peak_gflops(division)
        rate = f"{peak.best:.0f} GFLOP/s (torch.mm: {peak.mm:.0f})"
        click.echo(f"- peak of matrix products, {_named(division)}: {rate}")
    click.echo("")
    _row("processes", "threads of each", "images/s")
    _row(*["---"] * 3)
    rates = {}
    for division in machines.divisions(device):
        rates[division] = machines.images_per_second(Training(device=device), division, seconds)
        _row(str(division.processes), str(division.threads), f"{rates[division]:.0f}")
    best = machines.propose(rates)
    click.echo(f"\nFastest for a grid: `--slots {best.processes} --threads {best.threads}`")


def _named(division: Division) -> str:
    return f"{division.processes} process(es) of {division.threads} thread(s)"


def _heading() -> None:
    from benchmark.store.provenance import collect

    origin = collect()
    hardware = origin["hardware"]
    click.echo(
        f"{hardware['processor']}, {hardware['cores']} cores; torch {origin['libraries'].get('torch')}; "
        f"commit {(origin['commit'] or 'unknown')[:12]}\n"
    )


def _row(*cells: str) -> None:
    click.echo(f"| {' | '.join(cells)} |")
