"""Short names of the runs of a grid, for log lines: `pbc/cnn/gce:q=0.5/symmetric:0.4/s3`, each name once."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

from benchmark.grid.job import Job

_DIGEST = re.compile(r"(?:sha256|md5):([0-9a-f]{8})[0-9a-f]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ALWAYS = "config.rate"
"""Shown even where it is equal in all runs."""

Options = Mapping[str, Any]
"""Dotted path -> value."""
K = TypeVar("K")


def label_runs(jobs: Sequence[Job]) -> list[Job]:
    """`jobs` with their `label`: data set, backbone, method, noise and seeds, with the options that differ.

    An option is shown if two runs of the grid differ in it whose data set (backbone, ...) has the same name.
    """
    columns = [_data_column(jobs), *(_part_column(jobs, part) for part in ("backbone", "method", "noise"))]
    labels = ["/".join(cells) for cells in zip(*columns, _seeds(jobs), strict=True)]
    repeated = {label for label, count in Counter(labels).items() if count > 1}
    return [
        job.model_copy(update={"label": f"{label}/{job.spec.id[:8]}" if label in repeated else label})
        for job, label in zip(jobs, labels, strict=True)
    ]


def _data_column(jobs: Sequence[Job]) -> list[str]:
    # Runs of a grid share their parts: what is equal in thousands of them is described once.
    keys = [(id(job.spec.dataset), id(job.spec.recipe)) for job in jobs]
    shown = _column({key: (_data_name(job), _of_data(job)) for key, job in dict(zip(keys, jobs, strict=True)).items()})
    return [shown[key] for key in keys]


def _part_column(jobs: Sequence[Job], part: str) -> list[str]:
    keys = [(id(getattr(job.spec, part)), job.spec.track) for job in jobs]
    parts = dict(zip(keys, jobs, strict=True))
    shown = _column({key: (getattr(job.spec, part).name, _of_part(job, part)) for key, job in parts.items()})
    return [shown[key] for key in keys]


def _data_name(job: Job) -> str:
    return job.labels.get("dataset", job.spec.dataset.name)


def _column(parts: Mapping[K, tuple[str, Options]]) -> dict[K, str]:
    """A plugin string for every part, with the rate and the options in which those of the same name differ."""
    named = list(parts.values())
    values: defaultdict[tuple[str, str], set[Hashable]] = defaultdict(set)
    holders = Counter(name for name, _ in named)
    present = Counter((name, key) for name, options in named for key in options)
    for name, options in named:
        for key, value in options.items():
            values[name, key].add(_text(value))
    column = {}
    for key_of_part, (name, options) in parts.items():
        differing = [
            key for key in options if len(values[name, key]) > 1 or present[name, key] < holders[name] or key == _ALWAYS
        ]
        shown = [
            _text(options[key]) if key == _ALWAYS else f"{key.removeprefix('config.')}={_text(options[key])}"
            for key in differing
        ]
        column[key_of_part] = _CONTROL.sub("?", f"{name}:{','.join(shown)}" if shown else name)
    return column


def _of_data(job: Job) -> Options:
    part = job.spec.dataset
    return _flat(
        {
            **_of_part(job, "dataset"),
            "subset": part.subset,
            "labels": part.labels,
            "extra_tests": {name: other.model_dump(mode="json") for name, other in part.extra_tests.items()},
            "recipe": job.spec.recipe.model_dump(mode="json"),
        }
    )


def _of_part(job: Job, name: str) -> Options:
    part = getattr(job.spec, name)
    more = {}
    if name == "method":
        more = {"recipe": part.recipe, "clean_set": part.clean_set, "track": job.spec.track}
    return _flat({"config": part.config, "source": part.source, **more})


def _flat(values: Mapping[str, Any], prefix: str = "") -> Options:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            flat[f"{prefix}{key}"] = value
    return dict(sorted(flat.items(), key=lambda item: item[0] != _ALWAYS))


def _text(value: Any) -> str:
    """A value in a name: digests shortened, 1.0 as 1."""
    if isinstance(value, str):
        return _DIGEST.sub(r"\1", value)
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _seeds(jobs: Sequence[Job]) -> list[str]:
    """ "s3" where the four seeds of every run are equal; else those that differ in the grid: "s[noise=0,init=1]"."""
    all_seeds = [job.spec.seeds.model_dump() for job in jobs]
    if all(len(set(seeds.values())) == 1 for seeds in all_seeds):
        return [f"s{seeds['noise']}" for seeds in all_seeds]
    differing = [name for name in all_seeds[0] if len({seeds[name] for seeds in all_seeds}) > 1]
    return [f"s[{','.join(f'{name}={seeds[name]}' for name in differing)}]" for seeds in all_seeds]
