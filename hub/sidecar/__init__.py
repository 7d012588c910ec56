"""The embedded sidecar: the part of Dapr's API that the hub uses, over one SQLite file."""
