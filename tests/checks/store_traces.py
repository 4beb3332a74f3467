"""Stores the first three losses of every method: run it after a version was bumped or a method added."""

import json

from benchmark.checks.methods import loss_trace
from benchmark.registry import METHODS
from tests.checks.test_contracts import NAMES, TRACES

if __name__ == "__main__":
    traces = {name: {"version": METHODS.load(name).version, "losses": loss_trace(name)} for name in NAMES}
    TRACES.write_text(json.dumps(traces, indent=1) + "\n")
