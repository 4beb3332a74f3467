"""The measuring instrument: what runs, scores, stores and tabulates; it knows no method by name.

from benchmark import load_results, run_suite
"""

import importlib
from typing import Any

from noisybench import check_packages

check_packages()

__all__ = ["load_results", "run_suite"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: every command imports this package, and most need no pandas. Types: __init__.pyi.
    if name in __all__:
        return getattr(importlib.import_module("benchmark.cli.python"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
