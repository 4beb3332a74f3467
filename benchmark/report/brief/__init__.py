"""One page on a data set, its labels and what networks make of it, for readers who train no networks."""
