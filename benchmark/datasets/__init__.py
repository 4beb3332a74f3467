"""Data sets, one file per family. The interface for new ones is `benchmark.datasets.base`."""
