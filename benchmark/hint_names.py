"""What a method may be told beside the noisy labels (`methods.Hints`), by the names that cards and records use."""

from __future__ import annotations

CLEAN_SET = "clean_set"
SOFT_LABELS = "soft_labels"
ALIKE_IN_BOTH_TRACKS = frozenset({CLEAN_SET, SOFT_LABELS})
"""Never estimated, so that a run which is told nothing else is the same in both tracks, and made once."""
BLIND_HINTS = ALIKE_IN_BOTH_TRACKS | {"noise_rate"}
"""What the blind track gives: the noise rate as an estimate, a clean set where the grid sets its size, and soft labels
where there are raters."""
