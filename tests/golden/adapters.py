"""Maps each golden case, by the name of its method, to what the suite computes for it."""

from tests.golden import instrument, losses, stateful

PARTS = (losses.CASES, stateful.CASES, instrument.CASES)
CASES = {name: adapter for part in PARTS for name, adapter in part.items()}
if len(CASES) != sum(map(len, PARTS)):
    raise ValueError("a golden method has two adapters")
