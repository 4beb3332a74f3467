"""README.md of a published folder: what it holds, what is to be known of it, and how to check it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchmark.report.page.shell import INDEX
from benchmark.report.publishing import views
from benchmark.report.publishing.citation import title
from benchmark.report.publishing.doubts import Doubt
from benchmark.store.content import Record
from benchmark.tables import frame

_MEANINGS = {
    "records.parquet": "every record as it was written, with its training curve; see docs/records.md",
    "missing.json": "runs of the suite that have no record",
    "suite.toml": "the suite",
    "val_noisy.md": "comparison table, best epoch by the noisy validation labels",
    "last.md": "comparison table, last epoch",
    "val_noisy.csv": "the cells of the first table, every figure",
    "runs.csv": "a row per run: configuration, seeds, metrics by reporting rule",
    "constraints.txt": "Python and the packages that the runs were made with",
    "CITATION.cff": "how to cite this",
    "croissant.json": "metadata for data set tools (Croissant 1.0)",
    INDEX: "the page, in which tables, runs and curves can be explored: open it in a browser",
    **{views.name_of(kind): meaning for kind, meaning in views.FIGURES.items()},
}


def readme(records: Sequence[Record], doubts: Sequence[Doubt], names: Sequence[str]) -> str:
    states = Counter(record["state"] for record in records)
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    protocols = sorted({record["spec"]["protocol"] for record in records})
    parts = [
        f"# {_plain(title(records))}",
        f"{len(records)} runs ({counts}), protocol {', '.join(map(str, protocols))}. "
        f"Commit {', '.join(frame.commits(records)) or 'unknown'}; "
        f"hardware {_plain('; '.join(frame.hardware(records)) or 'unknown')}.",
    ]
    if doubts:
        parts += [
            "## What was allowed",
            "\n".join(f"- `{doubt.option}`: {_plain(doubt.sentence)}." for doubt in doubts),
        ]
    drawn = [f"![{_MEANINGS[name]}]({name})" for name in names if views.is_figure(name)]
    if drawn:
        parts += ["## Figures", *drawn]
    listed = [f"| [{name}]({name}) | {_MEANINGS.get(name, '')} |" for name in names]
    parts += [
        "## Files",
        "\n".join(["| file | holds |", "|---|---|", *listed]),
        "`noisybench verify .` checks every file, every record and every table; `sha256sum --check SHA256SUMS` checks "
        "the bytes alone. `noisybench table --with .` compares your own runs with these.",
    ]
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    """`text` on one line, without what Markdown would take for markup."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    # Not every reader of Markdown knows "\<".
    escaped = {letter: f"\\{letter}" for letter in "\\`*_[]>|#"} | {"<": "&lt;"}
    return "".join(escaped.get(letter, letter) for letter in line)
