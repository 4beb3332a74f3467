"""Label noise: one file per family. A kind turns clean labels into noisy ones and says what it drew from."""
