"""Disturbs a small grid in every way that a machine has, and sees whether a resumption ends in the same records."""
