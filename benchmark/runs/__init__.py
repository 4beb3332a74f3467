"""One run and many: from a run spec to its record."""
