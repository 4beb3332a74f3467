"""Faster equivalents of some torch operations."""
