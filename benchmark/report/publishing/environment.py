"""The environment in which records were made, as a file of constraints for pip."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.store.content import Record


def constraints(records: Sequence[Record]) -> str:
    """A line per package; a package of which runs had several versions is a comment, as pip takes one."""
    pythons: set[str] = set()
    versions: dict[str, set[str]] = {}
    origins: set[str] = set()
    for record in records:
        provenance = record["provenance"]
        pythons.add(provenance["python"])
        origins.add(
            f"noisybench {provenance['noisybench'] or 'not installed'}, commit {provenance['commit'] or 'unknown'}"
        )
        for name, version in provenance["libraries"].items():
            versions.setdefault(name, set()).add(version)
    lines = [f"# Python {', '.join(sorted(pythons))}", *(f"# {origin}" for origin in sorted(origins))]
    for name, found in sorted(versions.items()):
        if len(found) == 1:
            lines.append(f"{name}=={min(found)}")
        else:
            lines.append(f"# {name}: {', '.join(sorted(found))}")
    return "\n".join(lines) + "\n"
