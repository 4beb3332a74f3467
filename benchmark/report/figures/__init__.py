"""Figures of tables and of runs, drawn with matplotlib: PNG, SVG and PDF whose bytes depend on the records alone."""
