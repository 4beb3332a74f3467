"""Records to DataFrames, statistics and comparison tables. Pure: no files, no printing."""
