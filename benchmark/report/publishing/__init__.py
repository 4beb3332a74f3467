"""Published folders: what they hold, how one is written, checked and compared with another."""
