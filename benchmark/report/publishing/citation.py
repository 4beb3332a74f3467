"""CITATION.cff of a published folder (Citation File Format 1.2)."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.store.content import Record
from benchmark.tables import frame


def title(records: Sequence[Record]) -> str:
    """Of the published results."""
    return f"noisybench results: {', '.join(frame.suites(records)) or 'records'}"


def citation(records: Sequence[Record]) -> str:
    digest = frame.digest(frame.unique(records))
    commits = ", ".join(frame.commits(records)) or "unknown"
    return (
        "\n".join(
            (
                "cff-version: 1.2.0",
                f"title: {_quoted(title(records))}",
                'message: "If you use these results, please cite them, and the papers of the methods that you report."',
                "type: dataset",
                "authors:",
                '  - name: "The noisybench developers"',
                f"version: {_quoted(digest[:16])}",
                f"abstract: {_quoted(f'{len(records)} runs, made at commit {commits}.')}",
                "identifiers:",
                "  - type: other",
                f"    value: {_quoted(f'sha256:{digest}')}",
                '    description: "SHA-256 of the records, as the tables name it"',
            )
        )
        + "\n"
    )


def _quoted(text: str) -> str:
    """`text` as a YAML string, whatever characters it holds."""
    return '"' + "".join(x if x.isprintable() and x not in '"\\' else f"\\U{ord(x):08x}" for x in text) + '"'
