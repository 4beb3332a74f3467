"""Which records this process has read, so that an error on the way can be told from a fault of theirs.

Records are not compared with their definition whenever they are read: it would take as long as reading them. Their
digest shows damage; a record that another program wrote may have the right digest and a field of another type.
"""

from __future__ import annotations

from pathlib import Path

places: set[Path] = set()
"""Results folders, and files of published records."""
