"""Executors decide where runs are carried out."""
