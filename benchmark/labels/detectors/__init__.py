"""Detectors of wrong labels behind one interface; every function with `@detector` in these modules is one."""

from benchmark.labels.detectors import dynamics, heads, held_out, neighbours, several_raters  # noqa: F401 - registers
from benchmark.labels.detectors.base import DETECTORS, Detector, Verdict, averaged, default, named, suited
from benchmark.labels.detectors.probe import Probe

__all__ = ["DETECTORS", "Detector", "Probe", "Verdict", "averaged", "default", "named", "suited"]
