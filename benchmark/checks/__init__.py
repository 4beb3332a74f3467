"""Checks of what every plugin promises, run by the project's tests and by `noisybench check`."""

from benchmark.checks.runner import CheckFailed, Finding, Runner

__all__ = ["CheckFailed", "Finding", "Runner"]
