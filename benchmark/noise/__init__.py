"""Label noise, one file per family. A kind turns clean labels into noisy ones and reports its T, if it has one."""
