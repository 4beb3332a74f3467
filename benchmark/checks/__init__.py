"""What every plugin promises, as checks: the project's tests and `noisybench check` run the same ones."""

from benchmark.checks.runner import CheckFailed, Finding, run_checks

__all__ = ["CheckFailed", "Finding", "run_checks"]
