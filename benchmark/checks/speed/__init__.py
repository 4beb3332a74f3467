"""Speed of the suite, as ratios to baselines that are timed in the same session."""
