"""What goes wrong around agents."""

from hub.errors import HubError, InvalidInputError


class ToolError(HubError):
    """Raised by a tool for the model to read: its text reaches the model as it stands, so that it may do better."""

    code = "tool_failed"


class TurnLimitError(HubError):
    """The model still calls tools after as many turns as the agent allows."""

    code = "turn_limit"


class ModelMissingError(InvalidInputError):
    """No model, an unknown one, or no key for it; the message names the variable to set."""

    code = "no_model"


class ModelRefusedError(HubError):
    """The model's provider says no to the request as it is; the message has its status."""

    code = "model_refused"


class ModelUnavailableError(HubError):
    """The model's provider does not answer, or answers that it cannot now."""

    code = "model_unavailable"
    retryable = True


class MemoryFailedError(HubError):
    """A memory's store failed with an error that waiting does not mend; the details stand in the log."""

    code = "memory_failed"


class NotHostedError(HubError):
    """A durable method was called outside of a run, and the agent belongs to no open runner."""

    code = "not_hosted"
