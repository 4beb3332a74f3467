"""Data sets, one file per family. What an author of another one needs lies in `benchmark.datasets.base`."""
