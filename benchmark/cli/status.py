"""`noisybench status`: how far a grid is, what is at work, and why runs failed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.options import Amount, expand_grid, grid_options, names_grid
from benchmark.cli.progress import duration

if TYPE_CHECKING:
    from benchmark.runs.grid_status import AtWork, Eta, Failure, GridStatus

MOST_LINES = 30
"""Of runs that are named one by one."""


@click.command()
@grid_options
@click.option(
    "--watch",
    is_flag=False,
    flag_value=5.0,
    type=Amount(min=0.1),
    metavar="[SECONDS]",
    help="Repeat this until no run waits or is at work; every 5 seconds, if no number is given.",
)
def status(suite: str | None, watch: float | None, **options: Any) -> int:
    """Count the runs by state, show those at work, and say why runs failed and which are tried again.

    Runs of the grid that nobody has begun are `queued`. Exit code 1 where runs failed or files are broken.
    """
    from benchmark.cli.doctor import tell_uncounted
    from benchmark.runs import grid_status
    from benchmark.store.store import Store

    store, jobs, title = Store(options["results"]), None, ""
    if names_grid(suite, options):
        grid, jobs = expand_grid(suite, options)
        title = f"suite {grid.name}: {len({job.spec.id for job in jobs})} runs"

    def look() -> GridStatus:
        return grid_status.read(store, jobs)

    found = look() if watch is None else _watch(look, title, watch)
    if not found.counts:
        click.echo(f"there are no runs in {store.folder}; `noisybench run SUITE` makes some (--results DIR)", err=True)
    if watch is None:
        for line in lines(found, title):
            click.echo(line)
    for contents in found.uncounted:
        tell_uncounted(store.folder, contents)
    return 1 if found.failures or any(contents.broken for contents in found.uncounted) else 0


def lines(found: GridStatus, title: str) -> Iterator[str]:
    if title:
        yield title
    for state, count in found.counts.items():
        yield f"{state:10} {count}"
    if found.eta:
        yield _eta(found.eta)
    yield from (_running(one) for one in found.at_work[:MOST_LINES])
    yield from _more(len(found.at_work), "at work", "")
    yield from (f"{run}  {state}: {reason}" for run, state, reason in found.reasons[:MOST_LINES])
    yield from _more(len(found.reasons), "diverged or skipped", "--state diverged --state skipped")
    if found.failures:
        yield from _by_cause(found.failures)
    yield from (
        f"{one.run}  failed: {one.kind}: {' '.join(one.message.split())}  (`noisybench logs {one.run}`)"
        for one in found.failures[:MOST_LINES]
    )
    yield from _more(len(found.failures), "failed", "--state failed")


def _more(count: int, what: str, states: str) -> Iterator[str]:
    if count > MOST_LINES:
        yield f"... and {count - MOST_LINES} more {what}" + (
            f": `noisybench runs {states}` lists all" if states else ""
        )


def _running(one: AtWork) -> str:
    holder = one.holder
    done = f"epoch {holder.epoch} of {holder.epochs}" if holder.epochs else holder.doing or "starting"
    if holder.process.ended():
        lost = "  its process has ended: the next `run` takes it over"
    elif one.stale:
        lost = f"  no sign of life for {duration(one.silent)}: the next `run` takes it over"
    else:
        lost = ""
    return f"{holder.run}  running: {done}, {duration(one.seconds)}, {holder.host or '?'} pid {holder.pid}{lost}"


def _eta(eta: Eta) -> str:
    unknown = f"; {eta.unknown} runs of unknown cost are not in it" if eta.unknown else ""
    if eta.at_work:
        return f"eta        {duration(eta.seconds)} with {eta.at_work} at a time{unknown}"
    return f"eta        nobody is at work; about {duration(eta.seconds)} of work, one run at a time{unknown}"


def _by_cause(failures: list[Failure]) -> Iterator[str]:
    """A line for each cause and class, the commonest first, with what becomes of these runs."""
    kinds = Counter((one.cause or "unknown", one.kind, one.again) for one in failures)
    for (cause, kind, again), count in kinds.most_common():
        fate = {
            True: "the next `run` tries them again",
            False: "not tried again until their code changes, or with --again failed",
            None: "tried again once their code has changed, or with --again failed",
        }[again]
        yield f"  {cause:8} {count:4}  {kind}: {fate}"


def _watch(look: Callable[[], GridStatus], title: str, seconds: float) -> GridStatus:
    """Shows the status until the grid has ended: in place on a terminal, elsewhere as a line per change."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console()
    in_place = console.is_terminal and not console.is_dumb_terminal
    with Live(console=console, auto_refresh=False, vertical_overflow="ellipsis") if in_place else _Lines() as shown:
        for found in _looks(look, seconds):
            if isinstance(shown, _Lines):
                shown.show(found)
            else:
                shown.update(Text("\n".join(lines(found, title))), refresh=True)
    return found


def _looks(look: Callable[[], GridStatus], seconds: float) -> Iterator[GridStatus]:
    """Looks at intervals, until no run waits or is at work, nor may be tried again by a driver that is still there."""
    from benchmark.runs.failures import PASSING, RETRY_SECONDS

    since = None
    while True:
        found = look()
        yield found
        if not found.over:
            since = None
        else:
            since = since or time.monotonic()
            retried = any(one.cause in PASSING for one in found.failures)
            if not retried or time.monotonic() - since > max(RETRY_SECONDS) + seconds:
                return
        time.sleep(seconds)


class _Lines:
    """A line per change, for what is no terminal."""

    def __init__(self) -> None:
        self.last = ""

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def show(self, found: GridStatus) -> None:
        counts = ", ".join(f"{count} {state}" for state, count in found.counts.items())
        epochs = [one.holder for one in found.at_work if one.holder.epochs]
        at = f"  epochs {' '.join(f'{one.epoch}/{one.epochs}' for one in epochs[:8])}" if epochs else ""
        if counts + at != self.last:
            self.last = counts + at
            eta = f"  eta {duration(found.eta.seconds)}" if found.eta and found.eta.at_work else ""
            click.echo(f"{time.strftime('%H:%M:%S')}  {counts or 'no runs'}{at}{eta}")
