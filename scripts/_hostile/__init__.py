"""Hostile inputs for the command line: families of them, drawn by a seed, tried in a sandbox, and judged."""
