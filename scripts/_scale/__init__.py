"""A grid of very many runs, without training: what planning, driving, storing and reading them costs."""
