"""CITATION.cff of a published folder (Citation File Format 1.2)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from benchmark.store.content import Record
from benchmark.tables import frame


def title(records: Sequence[Record]) -> str:
    """Of the published results."""
    return f"noisybench results: {', '.join(frame.suites(records)) or 'records'}"


def citation(records: Sequence[Record]) -> str:
    digest = frame.digest(frame.unique(records))
    commits = ", ".join(frame.commits(records)) or "unknown"
    # A JSON string is a YAML string too, whatever characters it holds.
    return (
        "\n".join(
            (
                "cff-version: 1.2.0",
                f"title: {json.dumps(title(records))}",
                'message: "If you use these results, please cite them, and the papers of the methods that you report."',
                "type: dataset",
                "authors:",
                '  - name: "The noisybench developers"',
                f"version: {json.dumps(digest[:16])}",
                f"abstract: {json.dumps(f'{len(records)} runs, made at commit {commits}.')}",
                "identifiers:",
                "  - type: other",
                f"    value: {json.dumps(f'sha256:{digest}')}",
                '    description: "SHA-256 of the records, as the tables name it"',
            )
        )
        + "\n"
    )
