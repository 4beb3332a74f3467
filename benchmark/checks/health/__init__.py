"""What a machine and a results folder need so that grids run: each finding with what mends it."""

from benchmark.checks.health.finding import Report

__all__ = ["Report"]
