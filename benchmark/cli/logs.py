"""`noisybench logs`: what a run printed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.cli.options import results_option
from benchmark.cli.selection import known_runs, matching

if TYPE_CHECKING:
    from benchmark.store.store import Store

POLL_SECONDS = 0.5


@click.command()
@click.argument("run")
@results_option
@click.option("--lines", type=click.IntRange(0), metavar="N", help="Only the last N lines.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until the run has ended.")
def logs(run: str, results: Path, lines: int | None, follow: bool) -> int:
    """Print the log of RUN (the beginning of an id): warnings, and what methods and plugins print.

    The file is named on stderr. All attempts of a run are in one log; where the last one failed, the traceback follows.
    """
    from benchmark.store.claims import place
    from benchmark.store.store import Store

    store = Store(results)
    run_id = matching(run, known_runs(store), str(results))
    path, at_work = store.log(run_id), place(store.folder, run_id).exists()
    _tell_tasks(store, run_id)
    there = path.exists() or (follow and at_work)
    if there:
        click.echo(f"log of {run_id}: {path}", err=True)
        for text in _text(store, run_id, lines, follow):
            click.echo(text, nl=False)
        if not path.exists() or not path.stat().st_size:
            still = "; `noisybench status` shows its epoch" if at_work else ""
            click.echo(f"it has printed nothing{still}", err=True)
    else:
        click.echo(_why_none(store, run_id, at_work), err=True)
    if traceback := _traceback(store, run_id):
        click.echo("its last attempt failed:", err=True)
        click.echo(traceback)
    return 0 if there else 1


def _traceback(store: Store, run_id: str) -> str:
    """Of the last attempt, where that failed in an exception and the run has not ended since."""
    for record in store.failures().records:
        if record["id"] == run_id:
            return str(record["error"].get("traceback") or "").rstrip()
    return ""


def _tell_tasks(store: Store, run_id: str) -> None:
    """Names the logs of the tasks of a cluster that carried the run out, among others."""
    if store.files("work/tasks/[!.]*"):
        from benchmark.runs.executors import tasks

        for path in tasks.logs(store, run_id):
            click.echo(f"log of its task, with other runs: {path}", err=True)


def _why_none(store: Store, run_id: str, at_work: bool) -> str:
    path = store.log(run_id)
    if at_work:
        return f"{path} is not there: {run_id} is at work and has not opened it yet; --follow waits for it"
    return (
        f"{path} is not there: the run was made on another machine, or `noisybench gc` removed the log; `noisybench "
        f"show {run_id}` has its figures, `noisybench run --again all` makes it again"
    )


def _text(store: Store, run_id: str, lines: int | None, follow: bool) -> Iterator[str]:
    """What is in the log, then what comes, until nobody carries the run out."""
    from benchmark.store.claims import place

    path, at = store.log(run_id), 0
    if path.exists():
        content = path.read_bytes()
        at = len(content)
        text = content.decode("utf-8", "backslashreplace")
        kept = text.splitlines(keepends=True)
        yield "".join(kept if lines is None else kept[len(kept) - min(lines, len(kept)) :])
    while follow:
        ended = not place(store.folder, run_id).exists()  # asked before reading: nothing comes after
        if path.exists():
            with path.open("rb") as file:
                file.seek(at)
                content = file.read()
            at += len(content)
            yield content.decode("utf-8", "backslashreplace")
        if ended:
            return
        time.sleep(POLL_SECONDS)
