"""`noisybench brief`: one page on somebody's images, labels and networks, for the head of the department."""

from __future__ import annotations

import shlex
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.noisy_data import load, read_noisy_data
from benchmark.cli.options import UserPath, place_options
from benchmark.errors import UsageError

if TYPE_CHECKING:
    from benchmark.report.brief.facts import MethodFacts
    from benchmark.report.brief.words import Page
    from benchmark.runs.noisy_data import NoisyData

PDF = "brief.pdf"


@click.command()
@click.option("--dataset", "-d", required=True, help="table:study.toml, folder:DIR, npz:FILE, ...")
@click.option("--out", type=UserPath(file_okay=False), required=True, help="Folder to write to.")
@click.option(
    "--suspects", type=UserPath(exists=True, file_okay=False), help="What `noisybench suspects` wrote: saves its time."
)
@click.option("--simulate", is_flag=True, help="Try out what reading labels again would find.")
@click.option(
    "--backbone", "-b", help="Network that judges labels, and whose runs are shown.  [default: cnn; the best runs]"
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--threads", type=click.IntRange(1, 1024), default=1, show_default=True, help="Torch threads.")
@place_options
def brief(
    out: Path, suspects: Path | None, simulate: bool, backbone: str | None, device: str, threads: int, **options: Any
) -> None:
    """Write one page on a data set in plain words: DIR/brief.html, and DIR/brief.pdf for paper.

    What was read and left out, how many labels are wrong and which to look at first, how far readers agree, what
    reading again brings, which training method to use, how well each class is recognised, here and at the other
    hospital, and whether the network's certainty can be believed. The last four come from runs on the data set in
    RESULTS with kept predictions, as `noisybench advise` leaves them; --extra-test there adds the other hospital. What
    is lacking is named on the page with the command that supplies it.

    Nothing leaves the machine. The page shows images and names of files; DIR is marked as private.

    \b
    noisybench brief -d table:study.toml --suspects suspects --out brief
    """
    from benchmark.cli.brief_data import SEED, Judge, closed, data_facts, judged, label_facts, reader_facts, simulated
    from benchmark.cli.brief_runs import find_methods
    from benchmark.report.brief.facts import Facts, Lacking
    from benchmark.report.brief.page import INDEX, render_brief
    from benchmark.report.brief.words import page
    from benchmark.runs.assemble import pick_device
    from benchmark.store.store import Store

    _check_place(out)
    judge = Judge(backbone or "cnn", str(pick_device(device)), threads)

    def read(noise: str) -> NoisyData:
        return read_noisy_data(noise=noise, seed=SEED, device=judge.device, threads=threads, **options)

    noisy = read("as_is")
    _check_task(noisy)
    data, store = load(noisy, options["results"]), Store(options["results"])
    typed, again = _typed(options), f"--out {shlex.quote(str(out))}"
    lacking = []
    doubts = judged(noisy, data, store, suspects, judge)
    labels = label_facts(doubts, noisy, data, suspects)
    readers = reader_facts(noisy, data, doubts)
    if suspects is None:
        part = "the list of all labels, the most doubtful first, to be filled in by a reader"
        lacking.append(
            Lacking(part, "--suspects was not given", f"noisybench suspects {typed} --all-splits --out suspects")
        )
    reading = closed(labels)
    if reading is not None and simulate:
        reading = simulated(labels, reading, store, judge, read)
    elif reading is not None:
        part = "what reading in the order of the list would find"
        lacking.append(Lacking(part, "it was not tried out", f"noisybench brief {typed} --simulate {again}"))
    found = find_methods(store, noisy, shlex.split(typed), backbone)
    methods = None if isinstance(found, str) else found
    advise = f"noisybench advise {typed} --extra-test NAME=table:FILE"
    if isinstance(found, str):
        lacking.append(Lacking("training methods and how well they recognise each class", found, advise))
    elif len(found.tests) == 1:
        lacking.append(Lacking("the other hospital", "no run was tested on its images", advise))
    facts = Facts(data_facts(noisy, data), labels, readers, reading, methods, tuple(lacking), _origin(noisy, methods))
    content = page(facts)
    _write(out, INDEX, render_brief(content).encode())
    for one in lacking:
        click.echo(f"lacking: {one.part}: {one.why}; {one.command}", err=True)
    click.echo(f"{out / INDEX}")
    _write_pdf(out, content)


def _typed(options: dict[str, Any]) -> str:
    """The options of the data set and the results folder as they were typed, for commands that supply more."""
    words = ["-d", options["dataset"]]
    if options["group_by"] is not None:
        words += ["--group-by", options["group_by"]]
    words += ["--skip-corrupt"] if options["skip_corrupt"] else []
    words += ["--results", str(options["results"])] if options["results"] != Path("results") else []
    return shlex.join(words)


def _check_place(out: Path) -> None:
    """Raises UsageError where `out` lies in a folder that `publish` wrote: images must not get there."""
    from benchmark.store.checksums import NAME

    for folder in (out.absolute(), *out.absolute().parents):
        if (folder / NAME).is_file():
            raise UsageError(
                f"{folder} is a published folder, and the page shows images; choose another folder with --out"
            )


def _check_task(noisy: NoisyData) -> None:
    if noisy.source.dataset.task != "multiclass":
        raise UsageError(
            f"{noisy.source.dataset.label} has several labels an image; expected a data set with one label an image, "
            "as doubtful labels are sought among these"
        )


def _origin(noisy: NoisyData, methods: MethodFacts | None) -> tuple[str, ...]:
    from benchmark.store.provenance import collect

    made = collect()
    commit = f", commit {made['commit'][:9]}{' with changes' * made['dirty']}" if made["commit"] else ""
    labels = f", labels {noisy.source.labels.digest[:19]}" if noisy.source.labels is not None else ""
    runs = () if methods is None else (f"Runs of {methods.method}: {', '.join(methods.ids)}",)
    return (
        f"Made on {date.today():%-d %B %Y} by noisybench {made['noisybench'] or ''}{commit}",
        f"Data {noisy.source.digest[:19]}{labels}",
        *runs,
    )


def _write(out: Path, name: str, content: bytes) -> None:
    """Writes a file of `out`, which is marked so that its images are neither shown nor put under version control."""
    from benchmark.datasets.private import MARK
    from benchmark.store.atomic import write_atomically

    write_atomically(out / MARK, b"")
    write_atomically(out / ".gitignore", b"*\n")
    write_atomically(out / name, content)


def _write_pdf(out: Path, content: Page) -> None:
    from benchmark.report.brief.pdf import pdf

    try:
        written = pdf(content)
    except UsageError as error:
        click.echo(f"no PDF was written: {error}; or print the HTML page from a browser", err=True)
        return
    _write(out, PDF, written)
    click.echo(f"{out / PDF}")
