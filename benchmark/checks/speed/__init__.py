"""How fast the suite is, as ratios against baselines of the same session."""
