"""Which runs of a results folder a command is about: those of a grid, of plugins, of states, or named by their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.cli.options import expand_grid, grid_options

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.grid.job import Job
    from benchmark.store.content import Record
    from benchmark.store.store import Store

STATES = ("ok", "diverged", "skipped", "failed")
_PARTS = {"datasets": "dataset", "backbones": "backbone", "methods": "method", "noise": "noise"}
"""Option -> the part of a spec that it names."""
_OF_A_GRID = (
    "noise_files",
    "labels",
    "seeds",
    "tune",
    "epochs",
    "recipe",
    "subset",
    "clean_set",
    "extra_tests",
    "group_by",
    "skip_corrupt",
)
"""Options that describe a grid and select nothing without one."""


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """SUITE or ids, the options of a grid, and --state."""
    state = click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="May be repeated.")
    return grid_options(click.argument("ids", nargs=-1)(state(command)))


@dataclass(frozen=True)
class Selection:
    known: list[Record]
    """All runs of the folder, and the missing ones of the grid (these with id, spec and state alone): the names of
    the chosen ones depend on what there is beside them."""
    chosen: set[str]
    """Ids."""

    @property
    def rows(self) -> pd.DataFrame:
        """The chosen runs."""
        from benchmark.tables.run_rows import run_rows

        rows = run_rows(self.known)
        return rows[rows["id"].isin(self.chosen)]


def select(
    store: Store,
    suite: str | None,
    ids: Sequence[str],
    states: Sequence[str],
    options: dict[str, Any],
) -> Selection:
    """The runs that agree with everything that was given. Raises UsageError where there are none."""
    from benchmark.cli.doctor import tell_uncounted
    from benchmark.errors import UsageError
    from benchmark.tables.run_rows import FIELDS

    if suite is not None and not is_suite(suite):
        ids = (suite, *ids)
        suite = None
    contents, failures = store.records(FIELDS), store.failures()
    for read in (contents, failures):
        tell_uncounted(store.folder, read)
    records = {record["id"]: record for record in (*failures.records, *contents.records)}
    if not records and suite is None:
        raise UsageError(f"there are no runs in {store.folder}; `noisybench run SUITE` makes some (--results DIR)")
    wanted = {matching(text, records, str(store.folder)) for text in ids}
    jobs: list[Job] = []
    if suite is not None or all(options[name] for name in ("datasets", "methods", "noise")):
        _, jobs = expand_grid(suite, options)
        grid = {job.spec.id for job in jobs}
        chosen = [record for run_id, record in records.items() if run_id in grid]
    else:
        chosen = _filtered(list(records.values()), options)
    selected = [
        record
        for record in chosen
        if (not wanted or record["id"] in wanted) and (not states or record["state"] in states)
    ]
    missing = [] if wanted or states else [_missing(job) for job in jobs if job.spec.id not in records]
    if not selected and not missing:
        counts = {state: sum(record["state"] == state for record in chosen) for state in STATES}
        there = ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "none"
        raise UsageError(f"no run in {store.folder} is of these ids and states; those of the grid or plugins: {there}")
    return Selection([*records.values(), *missing], {record["id"] for record in (*selected, *missing)})


def _missing(job: Job) -> Record:
    spec = job.spec.model_dump(mode="json")
    return {"id": job.spec.id, "spec": spec, "state": "missing", "provenance": {"labels": job.labels}}


def matching(beginning: str, ids: Iterable[str], where: str) -> str:
    """The one of `ids` that begins with `beginning`. Raises UsageError where there is none, or several."""
    from benchmark.errors import UsageError

    known = sorted(ids)
    if not known:
        raise UsageError(f"there are no runs in {where}; `noisybench run SUITE` makes some (--results DIR)")
    found = [run_id for run_id in known if run_id.startswith(beginning.lower())]
    if len(found) == 1:
        return found[0]
    matches = f"{len(found)} runs have" if found else "no run has"
    some = ", ".join(found[:3] or known[:3])
    raise UsageError(
        f"{matches} an id that begins with {beginning!r} in {where}; expected one of {len(known)} ids, such as {some} "
        "(`noisybench runs` lists them)"
    )


def known_runs(store: Store) -> set[str]:
    """Ids of the runs that a results folder knows of: ended, failed, at work, begun, or in tasks of a cluster."""
    from benchmark.store import claims
    from benchmark.store.store import run_id_of

    begun = {path.name for path in store.files("work/runs/[!.]*")}
    failed = {run_id_of(path) for path in store.attempts()}
    at_work = {holder.run for holder in claims.held(store.folder)}
    return store.finished() | failed | at_work | begun | _in_tasks(store)


def _in_tasks(store: Store) -> set[str]:
    if not store.files("work/tasks/[!.]*"):
        return set()
    from benchmark.runs.executors import tasks

    return {run_id for one in tasks.submissions(store) for runs in one.content.runs for run_id in runs}


def is_suite(text: str) -> bool:
    from benchmark.grid import suite as suites

    return text in suites.names() or text.endswith(".toml") or "/" in text


def _filtered(records: list[Record], options: dict[str, Any]) -> list[Record]:
    """The records whose parts the options name, each part by one of its strings. Raises UsageError."""
    from benchmark.errors import UsageError

    for name in _OF_A_GRID:
        if options.get(name):
            raise UsageError(
                f"--{name.replace('_', '-')} describes a grid, and no grid was named; name a suite, or --dataset, "
                "--method and --noise"
            )
    for option, part in _PARTS.items():
        texts = options[option]
        if not texts:
            continue
        names = sorted({record["spec"][part]["name"] for record in records})
        records = [record for record in records if any(_is_named(record, part, text) for text in texts)]
        if not records:
            raise UsageError(f"no run has the {part} {' or '.join(texts)}; there are: {', '.join(names)}")
    if options["tracks"]:
        records = [record for record in records if record["spec"]["track"] in options["tracks"]]
    return records


def _is_named(record: Record, part: str, text: str) -> bool:
    """Whether the plugin string `text` names this part of a run; options that it leaves out may have any value."""
    from benchmark.tables.display_names import options as options_of

    content: Mapping[str, Any] = record["spec"][part]
    names = (record.get("provenance") or {}).get("labels") or {}
    if text == content["name"] or (part == "dataset" and text == names.get("dataset")):
        return True
    config = options_of(content)
    return any(
        named["name"] == content["name"] and options_of(named).items() <= config.items()
        for named in _named_parts(part, text)
    )


def _named_parts(part: str, text: str) -> Iterator[dict[str, Any]]:
    """The parts of a spec that a plugin string names, with the options that it gives and no others."""
    from benchmark.grid import resolve
    from benchmark.grid.plugin_ref import PluginRef
    from benchmark.registry import ALL
    from benchmark.store import digests

    ref = PluginRef.of(text)
    registry = next(registry for registry in ALL if registry.word == part)
    if registry.get(ref.name) is None:  # a plugin that is not here any more is known by its name alone
        return
    chosen: dict[str, Any] = {}
    resolved: Sequence[resolve.Resolved]
    if part == "dataset":
        dataset, choices = resolve.make_dataset(ref, Path(), heeded=["subset", "labels"])
        labels = None if choices.labels is None else digests.digest(choices.labels)
        resolved, chosen = [resolve.resolve_dataset(ref, dataset)], {"subset": choices.subset, "labels": labels}
    elif part == "method":
        method = resolve.resolve_method(ref)
        resolved, chosen = [method], {"recipe": method.changes}
    else:
        resolved = resolve.resolve_noise(ref) if part == "noise" else [resolve.resolve_backbone(ref)]
    fields = registry.load(ref.name).Config.model_fields
    positional = getattr(registry.load(ref.name), "positional", "path" if "path" in fields else "")
    options, values = ref.read(fields, positional)
    given = {*options, *([positional] if values else [])}
    for one in resolved:
        yield {"name": one.part.name, "config": {k: v for k, v in one.part.config.items() if k in given}, **chosen}
