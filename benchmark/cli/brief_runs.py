"""What `noisybench brief` says of the runs on a data set."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.cli.advise import RULE, advice_of
from benchmark.cli.doctor import tell_uncounted
from benchmark.cli.results import table_of
from benchmark.errors import UsageError
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.resolve import ResolvedBackbone, resolve_backbone
from benchmark.grid.spec import RunSpec
from benchmark.grid.typed import of_unknown, run_command
from benchmark.registry import METHODS
from benchmark.report.brief.facts import MethodFacts, Recognition, Share
from benchmark.report.layouts.advice import shows_a_gain
from benchmark.runs.noisy_data import NoisyData
from benchmark.store import kept
from benchmark.store.content import Record
from benchmark.store.store import Store
from benchmark.tables import frame
from benchmark.tables.clinical import certainty, proportion, recognised
from benchmark.tables.comparable import TableError
from benchmark.tables.comparison import Block

Arrays = Mapping[str, NDArray[Any]]


def find_methods(store: Store, noisy: NoisyData, typed: Sequence[str], backbone: str | None) -> MethodFacts | str:
    """What the runs on this data show, or why there is nothing to show.

    `typed`: words that name the data set on the command line. Runs of the network `backbone` are shown where there are
    some, else those of the network that names most validation images as their labels do.
    """
    contents = store.records(frame.fields(RULE))
    tell_uncounted(store.folder, contents)
    labels = None if noisy.source.labels is None else noisy.source.labels.digest
    on_data = [
        record
        for record in contents.records
        if record["state"] == "ok"
        and record["spec"]["dataset"]["digest"] == noisy.source.digest
        and record["spec"]["dataset"].get("labels") == labels
    ]
    if not on_data:
        return f"{store.folder} has no run on these images and labels"
    # No error is put in on purpose: the truth is unknown, or taken for what the labels say.
    as_they_are = [record for record in on_data if not (record["noise"] or {}).get("realized_rate")]
    usable = [record for record in as_they_are if _kept(store, record) is not None]
    if not usable:
        return "no run on these labels as they are has kept its predictions"
    by_id = {record["id"]: record for record in usable}
    asked = None if backbone is None else resolve_backbone(PluginRef.of(backbone))
    try:
        table = table_of(usable, [], rule=RULE)
        chosen = max(map(_of_commonest, table.blocks), key=lambda one: _merit(one, by_id, store, asked))
        advice = advice_of(store, chosen, table.baseline, shlex.join(["noisybench", "run", *typed, "-n", "as_is"]))
    except (TableError, UsageError) as error:
        return str(error)
    method = shows_a_gain(advice) or advice.baseline
    ids = sorted(chosen.runs["id"][chosen.runs["method"] == method])
    runs = [(by_id[run], arrays) for run in ids if (arrays := _kept(store, by_id[run])) is not None]
    names = [str(name) for name in dict.fromkeys(chosen.runs["method"])]
    command = run_command(
        max((RunSpec.model_validate(record["spec"]) for record, _ in runs), key=lambda spec: spec.seeds.order),
        {} if asked is None else asked.files,
        *("--keep", "model"),
        data=typed,
    )
    return MethodFacts(
        advice=advice,
        method=method,
        about={name: _about(name) for name in names},
        network=chosen.place.backbone,
        command=command,
        unknown=of_unknown(command),
        ids=tuple(ids),
        tests=tuple(_recognition(runs, test) for test in ["test", *runs[0][0]["tests"]["extra"]]),
        certainty=_mean(
            [
                certainty(arrays[f"test/{RULE}"].astype(np.float64), arrays["test/labels"], _groups(record, "test"))
                for record, arrays in runs
            ],
            ["from", "to"],
        ),
        sure=float(np.mean([arrays[f"test/{RULE}"].max(1).mean() for _, arrays in runs])),
        other_runs=len(on_data) - len(chosen.runs),
    )


def _merit(
    block: Block, records: Mapping[str, Record], store: Store, asked: ResolvedBackbone | None
) -> tuple[bool, bool, float]:
    """The larger, the better it is to show these runs: of the network that was asked for, of several methods, and right
    on validation images."""
    found = [records[run] for run in block.runs["id"]]
    part = None if asked is None else asked.part.model_dump(mode="json")
    right = [
        (arrays[f"val/{RULE}"].argmax(1) == arrays["val/labels"]).mean()
        for record in found
        if (arrays := _kept(store, record)) is not None
    ]
    several = len({record["spec"]["method"]["name"] for record in found}) > 1
    return any(record["spec"]["backbone"] == part for record in found), several, float(np.mean(right))


def _of_commonest(block: Block) -> Block:
    """With the runs of the noise that most of them have."""
    counts = block.runs["noise"].value_counts(sort=False)
    return replace(block, runs=block.runs[block.runs["noise"] == counts.idxmax()])


def _kept(store: Store, record: Record) -> Arrays | None:
    """Predictions on validation and test images; None where they are lacking or damaged."""
    try:
        arrays = kept.read_predictions(store, record["id"])
    except (OSError, ValueError):
        return None
    return arrays if {f"val/{RULE}", f"test/{RULE}"} <= {*arrays} else None


def _about(name: str) -> str:
    """What a method is, in words: the first line of its docstring."""
    summaries = {entry.name: entry.summary for entry in METHODS.entries()}
    return summaries.get(name.split(":")[0].split(" ")[0], name).rstrip(".")


def _recognition(runs: Sequence[tuple[Record, Arrays]], test: str) -> Recognition:
    found, shares = [], []
    for record, arrays in runs:
        groups = _groups(record, test)
        found.append(recognised(arrays, RULE, test, groups))
        shares.append(proportion(arrays[f"{test}/{RULE}"].argmax(1) == arrays[f"{test}/labels"], groups))
    facts, groups = _test(runs[0][0], test), _groups(runs[0][0], test)
    return Recognition(
        site=test,
        images=facts["size"],
        patients=None if groups is None else len(np.unique(groups)),
        all=Share(*np.mean(shares, axis=0).tolist()),
        classes=_mean(found, ["class"]),
        shared=facts["shared_images"] or 0,
        notes=tuple(note.removeprefix(f"extra test set {test!r}: ") for note in facts.get("notes") or ()),
    )


def _mean(frames: Sequence[pd.DataFrame], keys: list[str]) -> pd.DataFrame:
    """Over the seeds; a figure that some seeds lack is the mean of the others."""
    return pd.concat(frames).groupby(keys, sort=False).mean().reset_index()


def _test(record: Record, test: str) -> Any:
    return record["tests"]["test"] if test == "test" else record["tests"]["extra"][test]


def _groups(record: Record, test: str) -> NDArray[np.generic] | None:
    groups = _test(record, test)["groups"]
    return None if groups is None else np.array(groups)
