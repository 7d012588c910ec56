"""Models: which one an agent speaks to, and the step that speaks to it."""

from hub.agents.models.choice import Model
from hub.agents.models.step import MODEL_STEP, ModelCalls, ModelSettings

__all__ = ["MODEL_STEP", "Model", "ModelCalls", "ModelSettings"]
