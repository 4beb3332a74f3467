"""The measuring instrument: what runs, scores, stores and tabulates; it knows no method by name."""
