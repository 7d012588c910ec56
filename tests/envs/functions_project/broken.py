"""Can't be imported."""

raise RuntimeError("no key: sk-MARKER-import")
