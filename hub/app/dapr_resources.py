"""The components that Dapr's own programs start with where nobody wrote others."""

import json
from pathlib import Path

STATE_STORE = "statestore"
PUBSUB = "pubsub"

_COMPONENT = """\
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {{name: {name}}}
spec:
  type: {type}
  version: v1
  metadata:{metadata}
"""

_REDELIVERY = """\
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: redelivery}
spec:
  policies:
    retries:
      redelivery: {policy: constant, duration: 100ms, maxRetries: 4}
  targets:
    components:
      pubsub: {inbound: {retry: redelivery}}
"""
"""An event is tried five times, as in the embedded sidecar; without a policy it is up to the broker."""


def write_resources(folder: Path, components: str) -> None:
    """Write components, and the policy beside them, into a folder that is there.

    daprd reads a policy only where it is the first document of its file.
    """
    (folder / "components.yaml").write_text(components, encoding="utf-8")
    (folder / "redelivery.yaml").write_text(_REDELIVERY, encoding="utf-8")


def sqlite_resources(database: Path) -> str:
    """State in an SQLite file, and a broker in daprd's memory: what nobody is subscribed to is dropped.

    Source: Dapr components, `state.sqlite` and `pubsub.in-memory`.
    """
    state = component(STATE_STORE, "state.sqlite", {"connectionString": f"file:{database}", "actorStateStore": "true"})
    return "---\n".join((state, component(PUBSUB, "pubsub.in-memory", {})))


def component(name: str, kind: str, metadata: dict[str, str]) -> str:
    """A component of Dapr as YAML."""
    # Quoted as JSON, which is YAML too: paths and passwords stay what they are.
    lines = "".join(f"\n  - {json.dumps({'name': key, 'value': value})}" for key, value in metadata.items())
    return _COMPONENT.format(name=name, type=kind, metadata=lines or " []")
