"""Files on disk: records, segments, caches; all are written atomically."""
