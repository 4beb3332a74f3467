"""Checks of what every plugin promises, run by the project's tests and by `noisybench check`."""

from benchmark.checks.runner import CheckFailed, Finding, run_checks

__all__ = ["CheckFailed", "Finding", "run_checks"]
