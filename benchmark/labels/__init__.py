"""Doubtful labels of somebody's data."""
