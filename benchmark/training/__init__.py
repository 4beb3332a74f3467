"""One training on tensors: training set, kit, trainer."""
