"""The page of reproductions from its CSV files: our methods beside the official code, epoch by epoch.

A file METHOD-NOISE-PAIRING.csv has a row per seed, epoch (from 1) and side ("official" or "ours"): test accuracy, share
of the wrong training labels that are predicted, and `source`: repository and commit, or our method's version and the id
of our record ("version 2, 0123456789abcdef"). Both sides train on the same images and noisy labels. "paired": the
official functions are also given our initial weights, order of batches, augmentation and random draws; "float64": the
same with both sides in doubles, which makes no record; "independent": they draw these themselves. `explained.toml` has
a sentence or two on methods whose sides differ; `methods/published_figures.toml` the figures that papers print.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.errors import UsageError
from benchmark.grid.expand import expand
from benchmark.grid.job import Options
from benchmark.grid.suite import load
from benchmark.registry import METHODS
from benchmark.report import papers
from benchmark.store.content import Record
from benchmark.store.places import data_root
from benchmark.store.store import Store
from benchmark.tables.statistics import t_factor
from scripts import _paper_figures as paper_figures

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "results" / "published" / "reproduction.md"
FOLDER = PAGE.with_suffix("")
COLUMNS = ["method", "pairing", "noise", "seed", "epoch", "side", "test_accuracy", "memorised", "source"]
CURVE = ["method", "pairing", "noise", "seed"]
HEAD = """# Reproductions

Our methods beside their official code on `digits` with the network `cnn`: the same images and noisy labels, the same
lengths of phases and optimizer settings (`reproduction/METHOD.toml`). **paired**: the official training functions also
get our initial weights, order of batches, augmentation and random draws, so that the curves part by rounding only.
**float64**: the same with both sides in doubles, where rounding does not part them within a run.
**independent**: they draw their own. One test image of 359 is .0028 of accuracy.

Accuracies are those of the last epoch on clean test labels, mean ± sd over seeds; the difference (ours less official)
has its 95 % t interval over seeds. "equal" is the number of first epochs in which both sides agree in every test image,
median over seeds; "every epoch" the difference of the mean curves, averaged over the epochs; "largest gap" that of any
epoch, median over seeds; "memorised" the difference in the share of wrong labels that are
predicted at the end. Made by `scripts/reproduction` from `reproduction/*.csv`.
"""
TABLE = (
    "| noise | pairing | n | epochs | ours | official | difference | equal | every epoch | largest gap | memorised |"
)
SAME = 1e-4
"""Accuracies that differ by less are equal: they are stored to five digits."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with the half width of its 95 % t interval."""

    mean: float
    half: float

    def __str__(self) -> str:
        return f"{_short(self.mean, signed=True)} ± {_short(self.half)}"


def estimate(values: pd.Series) -> Estimate:
    return Estimate(float(values.mean()), float(t_factor(len(values)) * values.std()))


def read(folder: Path = FOLDER) -> pd.DataFrame:
    """All rows of the CSV files. Raises UsageError where one has other columns."""
    frames = []
    for path in sorted(folder.glob("*.csv")):
        frame = pd.read_csv(path)
        if list(frame.columns) != COLUMNS:
            raise UsageError(f"{path} has the columns {list(frame.columns)}; expected {COLUMNS}")
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=COLUMNS)


def with_records(frame: pd.DataFrame, method: str, store: Store, folder: Path = FOLDER) -> pd.DataFrame:
    """`frame` with our side of `method` taken from the records of its suite, for the seeds of the official side."""
    official = frame[(frame["method"] == method) & (frame["side"] == "official")]
    official = official[official["pairing"] != "float64"]
    kept = (frame["method"] != method) | (frame["side"] == "official") | (frame["pairing"] == "float64")
    rows = [frame[kept]]
    records = suite_records(folder / f"{method}.toml", method, store) if len(official) else {}
    for (pairing, noise, seed), _ in official.groupby(["pairing", "noise", "seed"]):
        if (noise, seed) not in records:
            raise UsageError(f"no record of {method} under {noise} with seed {seed}; `scripts/reproduction {method}`")
        rows.append(_our_rows(records[noise, seed], method, pairing, noise, seed))
    return pd.concat(rows, ignore_index=True)


def suite_records(suite: Path, method: str, store: Store) -> dict[tuple[str, int], Record]:
    """The records of `method` that today's code makes of a suite, by noise and seed: none of an older version."""
    jobs = expand(load(str(suite)), Options(results=str(store.folder), data_root=str(data_root())))
    specs = [job.spec for job in jobs if job.spec.method.name == method]
    found = {(noise_name(spec.noise.name, spec.noise.config), spec.seeds.noise): store.read(spec.id) for spec in specs}
    return {key: record for key, record in found.items() if record is not None and record["state"] == "ok"}


def noise_name(name: str, config: Mapping[str, Any]) -> str:
    return f"{name}:{config['rate']}"


def _our_rows(record: Record, method: str, pairing: str, noise: str, seed: int) -> pd.DataFrame:
    curve = record["curve"]
    accuracy, memorised = curve["test"]["accuracy"], curve["memorization"]["memorized"]
    rows = pd.DataFrame({"epoch": range(1, len(accuracy) + 1), "test_accuracy": accuracy, "memorised": memorised})
    source = f"version {record['spec']['method']['version']}, {record['id']}"
    facts = {"method": method, "pairing": pairing, "noise": noise, "seed": seed, "side": "ours", "source": source}
    return rows.assign(**facts)[COLUMNS]


def versions(frame: pd.DataFrame) -> dict[str, list[int]]:
    """Per pairing the versions of our method that were trained, for the rows of one method."""
    ours = frame[frame["side"] == "ours"]
    numbers = ours["source"].str.extract(r"^version (\d+), ")[0]
    if numbers.isna().any():
        raise UsageError(
            f"our source {ours['source'][numbers.isna()].iloc[0]!r} names no version; expected "
            "'version 2, 0123456789abcdef'; `scripts/reproduction METHOD` writes it"
        )
    return {pairing: sorted({int(n) for n in part}) for pairing, part in numbers.groupby(ours["pairing"])}


def version_text(frame: pd.DataFrame) -> str:
    """One version ("version 2"), or those of the pairings where they differ."""
    by_pairing = {pairing: " and ".join(map(str, numbers)) for pairing, numbers in versions(frame).items()}
    if len(set(by_pairing.values())) == 1:
        return f"version {next(iter(by_pairing.values()))}"
    return ", ".join(f"{pairing} version {text}" for pairing, text in by_pairing.items())


def write(frame: pd.DataFrame, folder: Path = FOLDER) -> None:
    """A file for every method, noise and pairing of `frame`."""
    for (method, noise, pairing), part in frame.groupby(["method", "noise", "pairing"]):
        ordered = part.sort_values(["side", "seed", "epoch"], ascending=[False, True, True])
        ordered.to_csv(folder / f"{method}-{noise.replace(':', '-')}-{pairing}.csv", index=False)


def gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """Per curve and epoch `accuracy` and `memorised`: ours less official. Both sides need the same epochs."""
    key = [*CURVE, "epoch"]
    ours, official = (frame[frame["side"] == side].set_index(key) for side in ("ours", "official"))
    if not ours.index.sort_values().equals(official.index.sort_values()):
        row = ", ".join(map(str, ours.index.symmetric_difference(official.index)[0]))
        raise UsageError(f"one side lacks the row {row} ({', '.join(key)}); both sides need the same epochs")
    difference = ours[["test_accuracy", "memorised"]] - official[["test_accuracy", "memorised"]]
    return difference.rename(columns={"test_accuracy": "accuracy"}).reset_index()


def card_text(frame: pd.DataFrame, method: str) -> str:
    """What the card of `method` says: the mean absolute difference of all epochs where paired, the largest one where
    paired in float64, and the difference of the last epoch where independent, over all its noises and seeds, with the
    version that was trained (that of the records, where there are any); "not run" without rows."""
    frame = frame[frame["method"] == method]
    rows = gaps(frame)
    parts = []
    if len(paired := rows[rows["pairing"] == "paired"]):
        size = f"{paired['accuracy'].abs().mean():.0e}".replace("e-0", "e-")
        parts.append(f"paired: {size} over {paired['epoch'].max()} epochs")
    if len(double := rows[rows["pairing"] == "float64"]):
        parts.append(f"in float64: at most {_short(double['accuracy'].abs().max())}")
    if len(independent := rows[rows["pairing"] == "independent"]):
        last = independent[independent["epoch"] == independent["epoch"].max()]
        parts.append(f"run: {estimate(last['accuracy'])}")
    recorded = frame[frame["pairing"] != "float64"]
    return f"{'; '.join(parts)} ({version_text(recorded if len(recorded) else frame)})" if parts else "not run"


def page(frame: pd.DataFrame, today: Mapping[str, int], folder: Path = FOLDER) -> str:
    """The Markdown page; `today` has the version of every method, and the page says where ours had an older one."""
    lines = [HEAD]
    explained = _toml(folder / "explained.toml")
    for method, rows in frame.groupby("method"):
        title = _toml(folder / f"{method}.toml")["title"]
        commits = sorted(rows.loc[rows["side"] == "official", "source"].unique())
        ours = version_text(rows) if _is(today[method], rows) else f"{version_text(rows)}, today's is {today[method]}"
        lines += [f"## {method}", "", f"{title}. Ours: {ours}. Official side: {', '.join(commits)}.", ""]
        lines += [TABLE, "|---" * (TABLE.count("|") - 1) + "|"]
        for (noise, pairing), part in rows.groupby(["noise", "pairing"]):
            lines.append(f"| {' | '.join([noise, pairing, *_figures(part)])} |")
        lines += ["", explained[method], ""] if method in explained else [""]
    return "\n".join([*lines, paper_figures.table(papers.read().figures)])


def versions_of_today() -> dict[str, int]:
    return {entry.name: METHODS.load(entry.name).version for entry in METHODS.entries() if not entry.external}


def _is(version: int, rows: pd.DataFrame) -> bool:
    """Whether all curves of ours are of this version."""
    return all(numbers == [version] for numbers in versions(rows).values())


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _figures(part: pd.DataFrame) -> list[str]:
    """Of one method, noise and pairing, in the order of the page's columns."""
    rows, epochs = gaps(part), part["epoch"].max()
    last = rows[rows["epoch"] == epochs]
    finals = part[part["epoch"] == epochs].groupby("side")["test_accuracy"]
    mean, sd = finals.mean(), finals.std()
    sides = [f"{_short(mean[side])} ± {_short(sd[side])}" for side in ("ours", "official")]
    by_seed = rows["accuracy"].abs().groupby(rows["seed"])
    equal = by_seed.agg(lambda gap: (gap < SAME).cummin().sum()).median()
    curves = [str(estimate(last["accuracy"])), f"{equal:g}", _short(rows["accuracy"].mean(), signed=True)]
    ends = [_short(by_seed.max().median()), _short(last["memorised"].mean(), signed=True)]
    return [str(len(last)), str(epochs), *sides, *curves, *ends]


def _short(value: float, signed: bool = False) -> str:
    """Three decimals without a leading zero."""
    value = round(value, 3) + 0.0  # no negative zero
    return f"{value:{'+' if signed else ''}.3f}".replace("0.", ".", 1)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Makes results/published/reproduction.md from its CSV files.")
    parser.add_argument("results", type=Path, help="folder with records of our side")
    parser.add_argument("methods", nargs="*", help="methods whose side is taken anew from these records")
    given = parser.parse_args(arguments)
    try:
        frame = read()
        for method in given.methods:
            frame = with_records(frame, method, Store(given.results))
        text = page(frame, versions_of_today())
    except UsageError as error:
        parser.error(str(error))
    write(frame)
    PAGE.write_text(text, encoding="utf-8")
    for method in frame["method"].unique():
        print(f'{method}: reproduction="{card_text(frame, method)}"')


if __name__ == "__main__":
    main()
