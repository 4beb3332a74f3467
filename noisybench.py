"""Starts the command line with noisybench's own packages, also where others of their names are on the path.

`benchmark`, `methods` and `backbones` are common names: a folder or file of that name on PYTHONPATH or in the current
folder would be imported instead. Importing this module makes the imports of these three names look beside this file
first. Worker processes import it too (`runs/executors/local.py`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent
PACKAGES = ("benchmark", "methods", "backbones")


class OwnPackages(MetaPathFinder):
    """Finds the three packages beside this file."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, [str(ROOT)]) if fullname in PACKAGES else None


if not any(isinstance(finder, OwnPackages) for finder in sys.meta_path):
    sys.meta_path.insert(0, OwnPackages())


def check_packages() -> None:
    """Raises ImportError where another package of one of the three names has been imported before."""
    for name in PACKAGES:
        module = sys.modules.get(name)
        if module is None:
            continue
        places = [module.__file__] if getattr(module, "__file__", None) else getattr(module, "__path__", [])
        if not any(Path(place).resolve().is_relative_to(ROOT / name) for place in places if place):
            raise ImportError(
                f"another package {name!r} was imported ({', '.join(filter(None, places)) or 'of no file'}) before "
                f"that of noisybench ({ROOT / name}): take its folder off PYTHONPATH, or rename it"
            )


def main() -> None:
    """The console script `noisybench`; `python -m noisybench` is the same."""
    try:
        check_packages()
        from benchmark.cli.main import main as command_line
    except ImportError as error:
        sys.exit(f"error: {error}")
    if not _starts_beside_this_file():
        os.environ["PYTHONSAFEPATH"] = "1"  # worker processes import nothing from the current folder, as this one
    command_line()


def _starts_beside_this_file() -> bool:
    try:
        return Path.cwd() == ROOT
    except OSError:
        return False


if __name__ == "__main__":
    main()
