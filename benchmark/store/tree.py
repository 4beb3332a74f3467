"""Lists the files below a folder through symbolic links, as a copy made with `cp -rL` would have them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.errors import NoisybenchError


class ReadError(NoisybenchError, OSError):
    """A file or folder cannot be read now, or a folder's links lead back into themselves."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@dataclass
class Tree:
    """What is below a folder; names are relative to it, with forward slashes, links followed."""

    files: list[str] = field(default_factory=list)
    """Sorted."""
    folders: list[str] = field(default_factory=list)
    """Sorted."""
    broken: list[str] = field(default_factory=list)
    """Sorted: links whose target does not exist, and what is neither a file nor a folder."""
    skipped: list[str] = field(default_factory=list)
    """Sorted: files and folders that were left out."""


def is_hidden(name: str) -> bool:
    return name.startswith(".")


def walk(root: Path, skip: Callable[[str], bool] = is_hidden) -> Tree:
    """Everything below `root`, except files and folders for whose own name `skip` is true.

    Raises ReadError where a folder cannot be read, or where a link leads to a folder that it lies in.
    """
    tree = Tree()
    _walk(root, "", [], skip, tree)
    for names in (tree.files, tree.folders, tree.broken, tree.skipped):
        names.sort()
    return tree


def _walk(folder: Path, prefix: str, above: list[str], skip: Callable[[str], bool], tree: Tree) -> None:
    """`above`: the real paths of the folders that contain this one, as seen through links."""
    real = os.path.realpath(folder)
    for outer in above:
        # Not only equal folders: a link to /data inside /data/cells would list all of /data first.
        if outer == real or outer.startswith(real.rstrip("/") + "/"):
            raise ReadError(
                f"{folder} is a link to {real}, which contains it, so that its files would have no end: remove the link"
            )
    with readable():
        for entry in list(os.scandir(folder)):
            name, path = prefix + entry.name, Path(entry.path)
            if skip(entry.name):
                tree.skipped.append(name)
            elif entry.is_dir():
                tree.folders.append(name)
                _walk(path, f"{name}/", [*above, real], skip, tree)
            elif entry.is_file():
                tree.files.append(name)
            else:
                tree.broken.append(name)


@contextmanager
def readable() -> Iterator[None]:
    """Raises ReadError, which names the file, in place of another OSError."""
    try:
        yield
    except ReadError:
        raise
    except OSError as error:
        raise ReadError(
            f"cannot read {error.filename or 'a file'} ({error.strerror or error}): make it readable, or remove it"
        ) from error


def printable(name: object) -> str:
    """`name` with its bytes that are no UTF-8 written as \\xNN."""
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
