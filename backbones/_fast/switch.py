"""Which fast paths are on: all, unless the environment variable `NOISYBENCH_FAST` says otherwise.

`NOISYBENCH_FAST=0` turns all off, `NOISYBENCH_FAST=products,adam` all but these. It is read when a process
starts to use a path, so it must be set before. `README.md` beside this file says what each path replaces.
"""

from __future__ import annotations

import os

VARIABLE = "NOISYBENCH_FAST"
PATHS = ("products", "small_maps", "adam", "malloc")


class FastPathError(ValueError):
    """`NOISYBENCH_FAST` names something that is no fast path."""

    exit_code = 2


def paths_on() -> tuple[str, ...]:
    """The fast paths that may be taken, for records: results with and without one differ by rounding."""
    return tuple(path for path in PATHS if fast_path_is_on(path))


def fast_path_is_on(path: str) -> bool:
    """Whether the fast path `path` may be taken. Raises FastPathError where the variable cannot be read."""
    value = os.environ.get(VARIABLE, "1").strip()
    if value in ("", "1"):
        return True
    names = set() if value == "0" else {name.strip() for name in value.split(",")}
    if unknown := sorted(names - set(PATHS)):
        raise FastPathError(
            f"{VARIABLE}={value}: unknown fast path {unknown[0]!r}; expected 1 (all), 0 (none), "
            f"or names separated by commas, of: {', '.join(PATHS)}"
        )
    return path in names
