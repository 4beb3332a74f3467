"""Names that tell the files of a grid apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def distinct(items: Sequence[tuple[str, Path | None]]) -> list[str]:
    """A name for every (name, path), all of them different where the paths are.

    A name that comes once stays. Of files that share one, each gets the folders above it that tell it apart:
    a/cells.npz and b/cells.npz become "a/cells" and "b/cells".
    """
    names = [name for name, _ in items]
    paths = [None if path is None else path.resolve() for _, path in items]
    result = list(names)
    for i, path in enumerate(paths):
        sharing = [j for j, name in enumerate(names) if name == names[i] and paths[j] != path]
        if path is None or not sharing:
            continue
        others = {_ends(paths[j])[depth] for j in sharing for depth in range(len(_ends(paths[j])))} | {names[i]}
        result[i] = next((end for end in _ends(path) if end not in others), str(path))
    return result


def _ends(path: Path | None) -> list[str]:
    """Ever longer ends of a path: first without the suffix of the file, then with it."""
    if path is None:
        return []
    folders = path.parent.parts
    above = ["/".join([*folders[len(folders) - depth :]]).replace("//", "/") for depth in range(len(folders) + 1)]
    stems, names = ([f"{folder}/{name}".lstrip("/") for folder in above] for name in (path.stem, path.name))
    return [*stems[:2], *names[:2], *stems[2:], *names[2:]]
