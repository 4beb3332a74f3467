"""Maps each golden case, by the name of its method, to what the suite computes for it."""

from benchmark.checks.golden import Suite
from tests.golden import (
    instrument,
    losses,
    meta_learning,
    neighbours,
    semi_supervised,
    stateful,
    transitions,
    two_networks,
)
from tests.golden.omitted import OMITTED
from tests.golden.procedures.run import PROCEDURES

PARTS = (
    losses.CASES,
    stateful.CASES,
    semi_supervised.CASES,
    two_networks.CASES,
    neighbours.CASES,
    meta_learning.CASES,
    transitions.CASES,
    instrument.CASES,
    PROCEDURES,
)
CASES = {name: adapter for part in PARTS for name, adapter in part.items()}
if len(CASES) != sum(map(len, PARTS)):
    raise ValueError("a golden method has two adapters")
SUITE = Suite(CASES, OMITTED)
