"""Records to a DataFrame: one row per run, with the names that a table shows and the keys that must be equal."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import orjson
import pandas as pd

from benchmark.model_selection import RULES
from benchmark.seeds import TUNING_SEED
from benchmark.store.content import Record, content_digest
from benchmark.store.digests import canonical
from benchmark.store.field_paths import paths
from benchmark.tables import comparable, corrupted, display_names
from benchmark.tables.comparable import PARTS, VISIBLE, TableError
from benchmark.tables.display_names import Defaults
from benchmark.tables.statistics import SEEDS, independent_units

CLEAN = "none"
"""The noise that changes no label."""
MAIN = "main"
"""Stands for each data set's own main metric."""
_COMMIT_DIGITS = 12

DIAGNOSTICS = {
    "kept_precision": "precision",
    "kept_recall": "recall",
    "kept_auroc": "auroc",
    "corrected_accuracy": "corrected_accuracy",
    "transition_l1": "l1_row_mean",
}
"""Columns of what methods report of themselves -> their names in a record's `diagnostics` (last epoch)."""


def unique(records: Iterable[Record]) -> dict[str, tuple[Record, str]]:
    """Every run once, by id in order, with the SHA-256 of its content (curve, provenance and timing aside).

    A run that failed and later ended counts as ended. Trials of a search are left out. Raises TableError where
    two records of one run differ.
    """
    runs: dict[str, tuple[Record, str]] = {}
    for record in records:
        if record["spec"]["seeds"]["method"] >= TUNING_SEED:
            continue
        content = content_digest(record)
        known = runs.get(record["id"])
        if known is not None:
            failed, failed_before = record["state"] == "failed", known[0]["state"] == "failed"
            if not failed and not failed_before and content != known[1]:
                raise TableError(
                    f"run {record['id']} is there twice with different results; expected one record per run: "
                    "leave one of the two folders out (--results DIR, --with DIR)"
                )
            if (failed, content) >= (failed_before, known[1]):
                continue
        runs[record["id"]] = (record, content)
    return dict(sorted(runs.items()))


def digest(runs: Mapping[str, tuple[Record, str]]) -> str:
    """SHA-256 over the ids and contents of `unique` runs: equal for equal records in any order."""
    lines = "".join(f"{run_id} {content}\n" for run_id, (_, content) in runs.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def fields(rule: str) -> tuple[str, ...]:
    """The fields of a record that a table by `rule` reads, for `Store.records`. Raises TableError."""
    _check_rule(rule)
    figures = {f"metrics.{rule}"}
    if rule in ("last5", "label_wave", "val_clean"):
        figures.add("metrics.last")  # names the metrics where no run has figures by the rule
    estimate = ("estimated_rate", "estimate_interval", "estimate_doubt")
    noise = tuple(f"noise.{name}" for name in ("realized_rate", *estimate, "labels_sha256"))
    whole = (
        *("spec", "state", "reason", "error", "main_metric", "extra_metrics", "corrupted_tests", "tests", "deviations"),
        "hints",
    )
    origin = tuple(f"provenance.{name}" for name in ("commit", "dirty", "hardware", "labels", "method_digest"))
    diagnostics = tuple(f"diagnostics.{name}" for name in DIAGNOSTICS.values())
    return paths((*whole, *sorted(figures), *noise, *diagnostics, *origin, "timing.seconds"))


def suites(records: Iterable[Record]) -> tuple[str, ...]:
    """Names of the suites that the records belong to."""
    return tuple(sorted({name for record in _origins(records) if (name := _names(record).get("suite"))}))


def commits(records: Iterable[Record]) -> tuple[str, ...]:
    """Commits that the records were made with, those with uncommitted changes marked."""
    origins = [origin for record in _origins(records) if (origin := _provenance(record)).get("commit")]
    names = {o["commit"][:_COMMIT_DIGITS] + (" with changes" if o.get("dirty") else "") for o in origins}
    return tuple(sorted(names))


def hardware(records: Iterable[Record]) -> tuple[str, ...]:
    """Machines that the records were made on."""
    machines = {canonical(machine) for record in _origins(records) if (machine := _provenance(record).get("hardware"))}
    return tuple(sorted(", ".join(display_names.pairs(orjson.loads(machine).items())) for machine in machines))


def _origins(records: Iterable[Record]) -> Iterable[Record]:
    """A record for each provenance object: records of one segment share them."""
    return {id(record.get("provenance")): record for record in records}.values()


def _provenance(record: Record) -> Mapping[str, Any]:
    return record.get("provenance") or {}


def _names(record: Record) -> Mapping[str, Any]:
    return _provenance(record).get("labels") or {}


def flatten(
    records: Sequence[Record],
    *,
    rule: str,
    metric: str,
    extra_test: str | None = None,
    expected: Sequence[Record] = (),
    defaults: Defaults | None = None,
) -> pd.DataFrame:
    """One row per record, and one of state "missing" per `expected` run (its spec and names) that has none.

    Columns: id (of the run; None where it is missing), state, reason, metric (that of the value: `metric`, or with
    "main" the data set's own), value (NaN where undefined or not ok), phase (of the reported epoch), seeds (a number
    for each choice of seeds), noise_seed, init_seed, ... (each of `SEEDS`), unit (see `independent_units`), protocol,
    the names `VISIBLE`, in_full (a name in which something is left out -> the whole name); of the method plugin, tuned
    (configurations that it was chosen from, 0 for none), clean_set (training images that it was given with their true
    labels, 0 for none), options, hints (that it consumed; None if not recorded), deviations, unrecorded (the record
    does not hold them), source; of the noise clean, noise_kind, rate, realized, estimated, low and high (95 % interval
    of the estimate), doubt (why there is none); main_metric, test_size, shared_images, test_notes (a line each),
    seconds, `DIAGNOSTICS`. Sorted by name and seeds. Raises TableError where equal names would hide different runs, and
    on a rule, metric or test set that the records do not have.
    """
    _check_choice(records, rule, metric, extra_test)
    have = {canonical(record["spec"]) for record in records} if expected else set()
    missing = [{**run, "state": "missing"} for run in expected if canonical(run["spec"]) not in have]
    rows = [*records, *missing]
    if not rows:
        raise TableError("there are no runs to tabulate; `noisybench run SUITE` makes some (--results DIR)")
    runs = pd.DataFrame(_columns(rows, rule, list(map(_Metrics(records, metric), rows)), extra_test))
    described = cache(lambda recipe: display_names.recipe(orjson.loads(recipe)))
    specs = pd.DataFrame([_spec(key, described) for key in runs["spec_key"].unique()])
    runs["seeds"] = pd.factorize(runs["seeds"], sort=True)[0]  # numbers are compared faster than texts
    seeds = [f"{source}_seed" for source in SEEDS]
    runs["unit"] = independent_units(runs[seeds].set_axis(SEEDS, axis="columns"), runs["spec_key"])
    specs["dataset_label"] = specs["spec_key"].map(runs.groupby("spec_key")["dataset_label"].min())
    whole: list[dict[str, str]] = [{} for _ in range(len(specs))]
    for part in PARTS:
        names = display_names.of_part(specs, part, defaults or {})
        specs[part] = specs[f"{part}_key"].map(names.short)
        for of_spec, key in zip(whole, specs[f"{part}_key"], strict=True):
            if names.short[key] != names.full[key]:
                of_spec[names.short[key]] = names.full[key]
    specs["in_full"] = whole
    frame = runs.drop(columns="dataset_label").merge(specs, on="spec_key", validate="many_to_one")
    comparable.refuse(frame)
    floats = [
        "value",
        "rate",
        "realized",
        "estimated",
        "low",
        "high",
        "test_size",
        "shared_images",
        "seconds",
        *DIAGNOSTICS,
    ]
    return frame.astype(dict.fromkeys(floats, "float64")).sort_values(
        [*VISIBLE, "seeds"], kind="stable", ignore_index=True
    )


def _check_rule(rule: str) -> None:
    if rule not in RULES:
        raise TableError(f"unknown rule {rule!r}; expected one of {', '.join(RULES)} (--rule)")


def _check_choice(records: Sequence[Record], rule: str, metric: str, extra_test: str | None) -> None:
    _check_rule(rule)
    scored = [by_rule for record in records if (by_rule := _figures(record, extra_test))]
    if extra_test is not None and not scored:
        names = {name for record in records for name in record.get("extra_metrics") or {}}
        names.update(corrupted.names(records))
        known = ", ".join(sorted(names)) or "none"
        raise TableError(f"no run was scored on a test set {extra_test!r}; there are: {known} (--extra)")
    example = next((figures for by_rule in scored for figures in by_rule.values() if figures), None)
    if metric != MAIN and example is not None and (metric not in example or isinstance(example[metric], list)):
        scalar = ", ".join([MAIN, *sorted(k for k, v in example.items() if not isinstance(v, list | str | int))])
        fault = "has a value per class" if metric in example else "is unknown"
        raise TableError(f"metric {metric!r} {fault}; expected one of {scalar} (--metric)")


class _Metrics:
    """Which metric is the value of a run: one for all runs of a data set, so that they can be compared."""

    def __init__(self, records: Sequence[Record], metric: str) -> None:
        self._metric = metric
        self._balanced = {_data_key(record) for record in records if record.get("main_metric") == "balanced_accuracy"}

    def __call__(self, record: Record) -> str:
        """Balanced accuracy if it is the main metric of some run on the data: noise can change class frequencies."""
        if self._metric != MAIN:
            return self._metric
        return "balanced_accuracy" if _data_key(record) in self._balanced else "accuracy"


def _data_key(record: Record) -> str:
    return str(record["spec"]["dataset"]["digest"])


def _figures(record: Record, extra_test: str | None) -> Mapping[str, Any] | None:
    if extra_test is None:
        return record.get("metrics")
    return (record.get("extra_metrics") or {}).get(extra_test) or corrupted.figures(record, extra_test)


def _test(record: Record, extra_test: str | None) -> Mapping[str, Any]:
    """What the record says of the test set; nothing where the run was not trained."""
    tests = record.get("tests")
    if tests is None:
        return {}
    if extra_test is None or extra_test in tests["extra"]:
        found: Mapping[str, Any] = tests["test"] if extra_test is None else tests["extra"][extra_test]
        return found
    copies = corrupted.copies_of(record, extra_test)
    return {} if copies is None else {**tests["test"], "notes": copies["notes"]}


class _Dumped:
    """Caches the canonical JSON of mappings by the ids of their values, which records of one segment share.

    The values must live as long as the cache, or an id could be reused.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], bytes] = {}

    def __call__(self, parts: Mapping[str, Any]) -> bytes:
        key = (*parts, *map(id, parts.values()))
        if key not in self._known:
            self._known[key] = canonical(dict(parts))
        return self._known[key]


def _columns(
    records: Sequence[Record], rule: str, metrics: Sequence[str], extra_test: str | None
) -> dict[str, list[Any]]:
    """What is read from every record, a list per column: few, as there are many records."""
    nothing: Mapping[str, Any] = {}
    dumped = _Dumped()
    specs = [record["spec"] for record in records]
    seeds = [spec["seeds"] for spec in specs]
    noise = [record.get("noise") or nothing for record in records]
    origin = [record.get("provenance") or nothing for record in records]
    tests = [_test(record, extra_test) for record in records]
    figures = [(_figures(record, extra_test) or nothing).get(rule) or nothing for record in records]
    found = [record.get("diagnostics") or nothing for record in records]
    intervals = [of_run.get("estimate_interval") or (None, None) for of_run in noise]
    states = [record["state"] for record in records]
    valued = zip(states, figures, metrics, strict=True)
    return {
        "id": [record.get("id") for record in records],
        "spec_key": [dumped({key: value for key, value in spec.items() if key != "seeds"}) for spec in specs],
        "seeds": [dumped(of_run) for of_run in seeds],
        **{f"{source}_seed": [of_run[source] for of_run in seeds] for source in SEEDS},
        "state": states,
        "reason": [record.get("reason") or (record.get("error") or nothing).get("class") or "" for record in records],
        "metric": list(metrics),
        "value": [by_metric.get(metric) if state == "ok" else None for state, by_metric, metric in valued],
        "phase": [by_metric.get("phase") for by_metric in figures],
        "main_metric": [record.get("main_metric") for record in records],
        "test_size": [test.get("size") for test in tests],
        "shared_images": [test.get("shared_images") for test in tests],
        "test_notes": ["\n".join(test.get("notes") or ()) for test in tests],
        "hints": [None if (hints := record.get("hints")) is None else ", ".join(hints) for record in records],
        "deviations": [display_names.deviations(record.get("deviations") or {}) for record in records],
        "unrecorded": ["deviations" in record and record["deviations"] is None for record in records],
        "seconds": [(record.get("timing") or nothing).get("seconds") for record in records],
        "realized": [of_run.get("realized_rate") for of_run in noise],
        "estimated": [of_run.get("estimated_rate") for of_run in noise],
        "low": [low for low, _ in intervals],
        "high": [high for _, high in intervals],
        "doubt": [of_run.get("estimate_doubt") for of_run in noise],
        "noise_labels": [of_run.get("labels_sha256") for of_run in noise],
        "source": [made.get("method_digest") for made in origin],
        "dataset_label": [(made.get("labels") or nothing).get("dataset") for made in origin],
        **{column: [of_run.get(name) for of_run in found] for column, name in DIAGNOSTICS.items()},
    }


def part_key(part: Mapping[str, Any]) -> bytes:
    """Canonical JSON of a part of a spec, without what is unset: fields that were added later do not count then.

    A tuned method is one method, whatever configuration was chosen on a data set.
    """
    chosen = ("config", "recipe") if part.get("tuned") else ()
    return canonical({k: value for k, value in part.items() if value not in (None, {}, []) and k not in chosen})


def _spec(key: bytes, described: Callable[[bytes], str]) -> dict[str, Any]:
    """The columns that runs of one spec share whatever their seeds: read once per spec.

    `described`: a recipe's canonical JSON to its line; few recipes are shared by many specs.
    """
    spec = orjson.loads(key)
    method, noise = spec["method"], spec["noise"]
    return {
        "spec_key": key,
        "track": spec["track"],
        "protocol": spec["protocol"],
        "recipe": described(canonical(spec["recipe"])),
        "rest_key": canonical({name: value for name, value in spec.items() if name not in VISIBLE}),
        **{f"{part}_key": part_key(spec[part]) for part in PARTS},
        "plugin": method["name"],
        "tuned": method.get("tuned") or 0,
        "clean_set": method.get("clean_set") or 0,
        "options": ", ".join(display_names.pairs(display_names.options(method).items())),
        "clean": noise["name"] == CLEAN,
        "noise_kind": noise["name"],
        "rate": display_names.options(noise).get("rate"),
    }
