"""Ranks the labels of a data set by how doubtful they are."""
