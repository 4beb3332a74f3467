"""Files that may be whole but cannot be read now: a disk that fails for a while is no reason to call them broken."""

from __future__ import annotations

from pathlib import Path

from benchmark.store.atomic import StoreError


class CannotRead(StoreError):
    """A file that may be whole but cannot be read now."""


def cannot_read(path: Path, error: OSError) -> CannotRead:
    return CannotRead(
        f"{path} cannot be read now: {error.strerror or error}; nothing was changed: "
        "mend its permissions or its disk, then repeat the command"
    )


def present(path: Path) -> bool:
    """Whether there is such a file or folder. Raises CannotRead where the disk does not say."""
    try:
        path.stat()  # `exists` says no to any error, or not, by the version of Python
        return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise cannot_read(path, error) from error
