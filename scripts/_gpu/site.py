"""Unpacks those packages of a pack that this Python lacks. Needs Python alone."""

from __future__ import annotations

import importlib.metadata
import shutil
import tarfile
from pathlib import Path

from scripts._gpu.manifest import ARCHIVE, Manifest


def missing(manifest: Manifest) -> list[str]:
    """Packed packages that are not here, or in a version that is not accepted, and what those need in turn.

    A package that is here keeps its own dependencies: two versions of parts that belong together never mix.
    """
    chosen: list[str] = []
    waiting = list(manifest.requires.items())
    while waiting:
        name, accepted = waiting.pop()
        package = manifest.packages.get(name)
        if package is not None and name not in chosen and not _is_here(name, accepted):
            chosen.append(name)
            waiting += package.requires.items()
    return sorted(chosen)


def _is_here(name: str, accepted: str) -> bool:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    try:
        from packaging.specifiers import SpecifierSet
    except ModuleNotFoundError:
        return not accepted  # the versions cannot be compared: the packed one is right
    return SpecifierSet(accepted).contains(version, prereleases=True)


def unpack(folder: Path, manifest: Manifest) -> Path:
    """The folder for PYTHONPATH with what is missing here; unpacked once."""
    site, names = folder / "site", missing(manifest)
    stamp = site / ".complete"
    wanted = "\n".join([manifest.sha256[ARCHIVE], *names])
    if stamp.is_file() and stamp.read_text() == wanted:
        return site
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir()
    prefixes = {f"{name}-{manifest.packages[name].version}" for name in names}
    with tarfile.open(folder / ARCHIVE) as archive:
        for entry in archive:
            top, _, entry.name = entry.name.partition("/")
            if top in prefixes:
                archive.extract(entry, site, filter="data")
    stamp.write_text(wanted)
    return site
