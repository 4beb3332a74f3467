"""`noisybench verify`: whether a published folder is whole and its tables follow from its records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.options import UserPath
from benchmark.store.places import data_root

if TYPE_CHECKING:
    from benchmark.grid.job import Job
    from benchmark.runs.rerun import Comparison
    from benchmark.store.content import Record


@click.command()
@click.argument("folder", type=UserPath())
@click.option("--rerun", type=click.IntRange(1, 1000), metavar="N", help="Train N of its runs again and compare.")
@click.option("--rerun-seed", type=int, default=0, show_default=True, help="Chooses which runs.")
@click.option("--dataset", "-d", "datasets", multiple=True, help="Of --rerun: npz:FILE in place of the suite's.")
@click.option("--data-root", type=UserPath(file_okay=False), default=data_root, help="Of --rerun: folder of downloads.")
@click.option("--plugin", "plugins", multiple=True, type=UserPath(), help="Of --rerun: a plugin file that runs used.")
def verify(folder: Path, rerun: int | None, **options: Any) -> int:
    """Check FOLDER: checksums, records, their metrics, and every table, figure and page. Exit code 1 where one fails.

    --rerun needs the data that the runs were trained on. On the same kind of processor, with the same libraries, a run
    must be repeated bit for bit; elsewhere within the tolerance that docs/publishing.md states.
    """
    from benchmark.cli.publish import makers
    from benchmark.report.publishing.verification import verify as carry_out
    from benchmark.store import checksums, published

    # Some published folders are named like a folder of the source tree.
    holds_any = (folder / checksums.NAME).exists() or published.file_of(folder) is not None
    if not holds_any and str(folder) in published.names():
        folder = published.PUBLISHED / folder
    done = carry_out(folder, makers())
    for note in done.notes:
        click.echo(f"note: {note}")
    for fault in done.faults:
        click.echo(f"fault: {fault}")
    if done.faults:
        click.echo(f"{folder}: {len(done.faults)} fault(s)")
        return 1
    click.echo(f"{folder}: {done.files} files and {done.records} records are sound")
    click.echo(f"made again with equal bytes: {', '.join(done.remade) or 'none'}")
    return 0 if rerun is None else _rerun(folder, rerun, options)


def _rerun(folder: Path, count: int, options: dict[str, Any]) -> int:
    """Trains runs of `folder` again in a temporary results folder and says how they compare."""
    import tempfile

    from benchmark.cli.options import add_plugins, say_what_takes_time
    from benchmark.cli.progress import GridProgress
    from benchmark.grid import suite as suites
    from benchmark.grid.expand import expand
    from benchmark.grid.job import Options
    from benchmark.grid.plugin_ref import PluginRef
    from benchmark.report.publishing.content import SUITE
    from benchmark.runs import driver, rerun
    from benchmark.runs.executors.local import Local
    from benchmark.runs.executors.packing import Device, Packing
    from benchmark.store import published
    from benchmark.store.store import Store

    say_what_takes_time("reading the suite")
    plugins = add_plugins(options["plugins"])
    suite = suites.load(
        str(folder / SUITE),
        {"datasets": list(map(PluginRef.of, options["datasets"]))} if options["datasets"] else {},
    )
    records = list(published.whole(folder))
    with tempfile.TemporaryDirectory() as scratch:
        store = Store(Path(scratch))
        store.prepare()
        grid = expand(suite, Options(results=scratch, data_root=str(options["data_root"].absolute())), plugins)
        pairs = rerun.rerunnable(records, grid)
        chosen = rerun.choose(pairs, count, options["rerun_seed"])
        click.echo(f"runs again: {len(chosen)} of {len(pairs)} that can be repeated here", err=True)
        jobs = [
            rerun.with_classifier(_as_recorded(job, record), lambda text: click.echo(f"classifier: {text}", err=True))
            for record, job in chosen
        ]
        with GridProgress(jobs) as progress:
            for device in sorted({job.options.device for job in jobs}):
                executor = Local(store, Packing([Device(device)], per_device=1))
                driver.carry_out(
                    [job for job in jobs if job.options.device == device], store, executor, on_event=progress
                )
        again = {record["id"]: record for found in (store.failures(), store.records()) for record in found.records}
        results = [
            rerun.compare(record, again[record["id"]]) if record["id"] in again else None for record, _ in chosen
        ]
    failed = 0
    for (record, _), result in zip(chosen, results, strict=True):
        failed += result is None or not result.passed
        click.echo(f"{record['id']}: {_outcome(result)}")
    return 1 if failed else 0


def _as_recorded(job: Job, record: Record) -> Job:
    """`job` with the device and the number of threads of its record."""
    origin = record["provenance"]
    device = "cuda" if "gpu" in origin["hardware"] else "cpu"
    changes = {"threads": origin["threads"], "device": device, "allow_unidentifiable": True}
    return job.model_copy(update={"options": job.options.model_copy(update=changes)})


def _outcome(result: Comparison | None) -> str:
    if result is None:
        return "fault: its clean classifier came out otherwise here, so that its labels cannot be made again"
    if result.equal:
        return "equal bit for bit"
    if result.same_kind:
        return "fault: not equal bit for bit, on the same kind of processor with the same libraries" + (
            f" ({'; '.join(result.differences)})" if result.differences else "; within the tolerance of others"
        )
    if result.differences:
        return f"fault: {'; '.join(result.differences)}"
    return "within the tolerance of another processor or other libraries"
