"""What lies on disk: records, digests, caches; written whole or not at all."""
