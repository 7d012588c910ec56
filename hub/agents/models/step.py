"""The step that asks a model: JSON in, JSON out, the provider's refusals as the run understands them."""

import contextlib
import importlib
import logging
import re
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
import anyio.to_thread

from hub.agents.errors import ModelMissingError, ModelRefusedError, ModelUnavailableError
from hub.agents.models.choice import MODEL_VARIABLE, OLLAMA_URL, URL_KEY_VARIABLE, Choice, Model, check_key, choose
from hub.agents.models.offline import answer_offline
from hub.agents.models.providers import KEY_VARIABLES
from hub.agents.signatures import Json
from hub.workflows import RetryAfterError, current_step

if TYPE_CHECKING:
    from pydantic_ai.models import Model as ProviderModel

_log = logging.getLogger(__name__)

MODEL_STEP: Final = "hub.agents.model"
_PASSING = frozenset({408, 409, 425, 500, 502, 503, 504, 529})
"""Statuses that may be others the next time."""
_LONGEST_RETRY_AFTER_S = 86_400.0
_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9_]*_(?:KEY|TOKEN)\b")
"""How pydantic-ai names the variable that it misses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """What the host brings to model calls."""

    default: str | None = None
    """The model of agents that name none (`HUB_MODEL`)."""
    url_key: str | None = field(default=None, repr=False)
    """The key for models that are named by their URL (`HUB_MODEL_KEY`)."""
    variables: frozenset[str] | None = None
    """The names of the variables that are set, for the providers' keys; None: nobody looked."""
    timeout_s: float = 600.0

    def __post_init__(self) -> None:
        if self.default:
            try:
                choose(self.default)
            except ModelMissingError as error:
                raise ModelMissingError(f"{MODEL_VARIABLE}, or the runner's `model`: {error}") from error

    def check(self, model: str | Model | None) -> None:
        """See that an agent's model can be asked, as far as that shows without asking.

        Args:
            model: None: it takes the default; that there is none is told by its first call.

        Raises:
            ModelMissingError: no such model, or no key.
        """
        written = model or self.default
        if written:
            choice = choose(str(written))
            if self.variables is not None:
                check_key(choice, self.variables)


class ModelCalls:
    """Asks models; each provider's connections are shared by all agents and opened at the first use."""

    def __init__(self, settings: ModelSettings, stack: contextlib.AsyncExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self._known: dict[str, ProviderModel] = {}

    async def respond(self, request: Json) -> Json:
        """Ask a model once.

        Args:
            request: `messages`, and where wanted `model`, `tools` (as in `tools/list`), `output` (`{name, schema}`:
                the answer's form) and `settings`.

        Returns:
            `message` (a response), `usage` (counts of tokens) and, where its price is known, `cost_usd`.

        Raises:
            RetryAfterError: the provider says when to come again.
            ModelUnavailableError: it may work later.
            ModelRefusedError: it will not, as it stands.
            ModelMissingError: no such model, or no key.
        """
        choice = choose(request.get("model") or self._settings.default)
        if choice.is_offline:
            return answer_offline(request)
        started = time.monotonic()
        model = await self._model(str(request.get("model") or self._settings.default), choice)
        answered = await self._ask(model, choice, request)
        _log.debug("model %s:%s answered in %.2f s", choice.provider, choice.name, time.monotonic() - started)
        return answered

    async def _ask(self, model: "ProviderModel", choice: Choice, request: Json) -> Json:
        from pydantic_ai import exceptions
        from pydantic_ai.direct import model_request
        from pydantic_ai.messages import ModelMessagesTypeAdapter
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.settings import ModelSettings as ProviderSettings
        from pydantic_ai.tools import ToolDefinition

        def definition(tool: Json, **more: Any) -> ToolDefinition:
            return ToolDefinition(
                name=tool["name"],
                description=tool.get("description"),
                parameters_json_schema=tool.get("inputSchema") or {"type": "object", "properties": {}},
                **more,
            )

        output = cast("Json | None", request.get("output"))
        parameters = ModelRequestParameters(
            function_tools=[definition(each) for each in request.get("tools") or ()],
            output_tools=[definition({**output, "inputSchema": output["schema"]}, kind="output")] if output else [],
            output_mode="tool" if output else "text",
            allow_text_output=not output,
        )
        step = current_step()
        settings: dict[str, Any] = {"timeout": self._settings.timeout_s, **(request.get("settings") or {})}
        if step is not None:
            settings["extra_headers"] = {"Idempotency-Key": step.key, **(settings.get("extra_headers") or {})}
        try:
            response = await model_request(
                model,
                ModelMessagesTypeAdapter.validate_python(request["messages"]),
                model_settings=cast("ProviderSettings", settings),
                model_request_parameters=parameters,
                instrument=False,
            )
        except exceptions.ModelHTTPError as error:
            raise _refusal(error.status_code, error.headers or {}, choice) from error
        except exceptions.ModelAPIError as error:
            raise ModelUnavailableError(f"the model provider {choice.provider} does not answer") from error
        except exceptions.UserError as error:
            raise ModelRefusedError(f"{choice.provider}:{choice.name} cannot be asked this way: {error}") from error
        except exceptions.UnexpectedModelBehavior as error:
            raise ModelUnavailableError(
                f"{choice.provider}:{choice.name} answered with something unreadable"
            ) from error
        [message] = ModelMessagesTypeAdapter.dump_python([response], mode="json")
        usage = response.usage
        answered: Json = {
            "message": message,
            "usage": {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens},
        }
        with contextlib.suppress(LookupError, AssertionError, ValueError):
            answered["cost_usd"] = str(response.cost().total_price)
        return answered

    async def _model(self, written: str, choice: Choice) -> "ProviderModel":
        known = self._known.get(written)
        if known is None:
            known = await self._build(choice)
            known = self._known.setdefault(written, known)
        return known

    async def _build(self, choice: Choice) -> "ProviderModel":
        # The libraries take a second to load, which the event loop should not stand still for.
        await anyio.to_thread.run_sync(load_libraries)
        from pydantic_ai.exceptions import UserError

        try:
            if choice.provider == "anthropic":
                return await self._anthropic(choice)
            if choice.provider in ("openai", "ollama", "url"):
                return await self._openai(choice)
            from pydantic_ai.models import infer_model

            return infer_model(f"{choice.provider}:{choice.name}")
        except UserError as error:
            which = f"model {choice.provider}:{choice.name}"
            wanted = _VARIABLE.search(str(error))
            if wanted is not None:
                raise ModelMissingError(f"{which} needs a key: set {wanted[0]}") from error
            _log.warning("%s cannot be asked", which, exc_info=error)
            raise ModelMissingError(f"{which} is none that can be asked; the log says why") from error
        except ImportError as error:
            raise ModelMissingError(
                f"models of {choice.provider} need a further package: install pydantic-ai-slim[{choice.provider}]"
            ) from error

    async def _openai(self, choice: Choice) -> "ProviderModel":
        import openai
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        # Retries are the run's: a client that waits by itself would hold a step slot, and forget when killed.
        try:
            if choice.provider == "url":
                key = self._settings.url_key or "none"
                client = openai.AsyncOpenAI(base_url=choice.base_url, api_key=key, max_retries=0)
            elif choice.provider == "ollama":
                client = openai.AsyncOpenAI(base_url=OLLAMA_URL, api_key="ollama", max_retries=0)
            else:
                client = openai.AsyncOpenAI(max_retries=0)
        except openai.OpenAIError as error:
            raise ModelMissingError(f"model openai:{choice.name} needs a key: set OPENAI_API_KEY") from error
        self._stack.push_async_callback(client.close)
        return OpenAIChatModel(choice.name, provider=OpenAIProvider(openai_client=client))

    async def _anthropic(self, choice: Choice) -> "ProviderModel":
        import anthropic
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        client = anthropic.AsyncAnthropic(max_retries=0)
        if client.api_key is None and client.auth_token is None:
            raise ModelMissingError(f"model anthropic:{choice.name} needs a key: set ANTHROPIC_API_KEY")
        self._stack.push_async_callback(client.close)
        return AnthropicModel(choice.name, provider=AnthropicProvider(anthropic_client=client))


@contextlib.asynccontextmanager
async def open_model_calls(settings: ModelSettings) -> AsyncGenerator[ModelCalls]:
    """Model calls whose connections are closed with this."""
    async with contextlib.AsyncExitStack() as stack:
        yield ModelCalls(settings, stack)


def load_libraries() -> None:
    """Load what model calls need; safe in a thread."""
    importlib.import_module("pydantic_ai.direct")
    importlib.import_module("pydantic_ai.models.openai")


def _refusal(status: int, headers: Mapping[str, str], choice: Choice) -> Exception:
    which = f"{choice.provider}:{choice.name}"
    after_s = _retry_after_s(headers.get("retry-after"))
    if after_s is not None and status in (429, 503, 529):
        return RetryAfterError(after_s, f"{which} answered {status}: try again in {after_s:g} s")
    if status == 429 or status in _PASSING:
        return ModelUnavailableError(f"{which} answered {status}")
    if status in (401, 403):
        variable = URL_KEY_VARIABLE if choice.provider == "url" else KEY_VARIABLES.get(choice.provider, "its key")
        return ModelRefusedError(f"{which} answered {status}: it does not take the key; look at {variable}")
    if status == 404:
        return ModelRefusedError(f"{which} answered 404: the provider has no such model")
    return ModelRefusedError(f"{which} answered {status}")


def _retry_after_s(value: str | None) -> float | None:
    """Seconds of a `Retry-After`.

    Source: RFC 9110, section 10.2.3 (seconds or a date).
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(0.0, seconds), _LONGEST_RETRY_AFTER_S)
