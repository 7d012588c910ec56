"""A model that is not there, or has no key, is named before anything runs."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import providers

from hub import AgentRunner, DurableAgent
from hub.agents import Model, ModelMissingError
from hub.agents.models.providers import KEY_VARIABLES, PROVIDERS
from hub.config import load_config
from hub.errors import ConfigError, InvalidInputError
from hub.workflows import RunFailedError

RunnerOf = Callable[..., AgentRunner]

MALFORMED = [
    ("gpt-4", r"model 'gpt-4': expected PROVIDER:NAME \(openai:.*\), URL#NAME \(http://.*\) or 'offline'"),
    ("openai:", r"model 'openai:': expected PROVIDER:NAME"),
    ("foo:bar", r"model 'foo:bar': there is no model provider 'foo'; expected PROVIDER:NAME"),
    ("opnai:gpt-5", r"there is no model provider 'opnai' \(did you mean 'openai'\?\); expected PROVIDER:NAME"),
    ("http://localhost:8000/v1", r"model 'http://localhost:8000/v1': expected URL#NAME, as in http://127"),
    ("http://#name", r"model 'http://': expected URL#NAME"),
    ("http://localhost:99999/v1#name", r"model 'http://localhost:99999/v1': expected URL#NAME"),
    ("ftp://localhost/v1#name", r"model 'ftp://localhost/v1': expected URL#NAME"),
]
NOT_MODELS_THAT_CHAT = {
    "elevenlabs",
    "google-decisions",
    "openai-decisions",
    "sentence-transformers",
    "voyageai",
}


@pytest.mark.parametrize(("model", "message"), MALFORMED)
def test_an_unknown_model_is_refused_where_the_agent_is_made(model: str, message: str) -> None:
    with pytest.raises(ModelMissingError, match=f"agent durable_agent: .*{message}"):
        DurableAgent(model=model)

    class Teller(DurableAgent): ...

    Teller.model = model
    with pytest.raises(ModelMissingError, match=f"agent teller: .*{message}"):
        Teller()


def test_a_model_behind_no_address_is_refused_where_it_is_made() -> None:
    with pytest.raises(ModelMissingError, match="model 'localhost:8000': expected URL#NAME"):
        Model(name="small", base_url="localhost:8000")


@pytest.mark.parametrize(
    "model", ["offline", "openai:gpt-5", "gateway/openai:gpt-5", "ollama:llama3:8b", "xai:grok", "http://[::1]:1/v1#m"]
)
def test_the_forms_of_a_model_are_taken(model: str) -> None:
    assert DurableAgent(model=model).model == model


def test_the_providers_are_those_of_pydantic_ai() -> None:
    named = set(re.findall(r"'([a-z0-9-]+)'", inspect.getsource(providers.infer_provider_class)))
    assert named - NOT_MODELS_THAT_CHAT == PROVIDERS
    assert set(KEY_VARIABLES) <= PROVIDERS


def test_an_entry_with_an_unknown_model_names_file_and_key(tmp_path: Path) -> None:
    file = tmp_path / "hub.yaml"
    file.write_text("agents:\n  teller:\n    python: team.py:Teller\n    model: gpt-4\n")
    with pytest.raises(ConfigError, match=r"hub\.yaml:4.*agents\.teller\.model.*model 'gpt-4': expected PROVIDER:NAME"):
        load_config(file)


@pytest.mark.parametrize("given_by", ["variable", "argument"])
async def test_an_unknown_default_is_refused_where_the_runner_is_opened(
    runner_of: RunnerOf, monkeypatch: pytest.MonkeyPatch, given_by: str
) -> None:
    if given_by == "variable":
        monkeypatch.setenv("HUB_MODEL", "gpt-4")
    settings = {"model": "gpt-4"} if given_by == "argument" else {}
    with pytest.raises(ModelMissingError, match="HUB_MODEL, or the runner's `model`: model 'gpt-4': expected PROVIDER"):
        async with runner_of(DurableAgent(), **settings):
            pass


@pytest.mark.parametrize(
    ("model", "variable", "other"),
    [
        ("openai:gpt-x", "OPENAI_API_KEY", "OPENAI_ADMIN_KEY"),
        ("anthropic:claude-x", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    ],
)
async def test_a_missing_key_is_named_where_the_runner_is_opened(
    runner_of: RunnerOf, monkeypatch: pytest.MonkeyPatch, model: str, variable: str, other: str
) -> None:
    for each in (variable, other):
        monkeypatch.delenv(each, raising=False)
    with pytest.raises(ModelMissingError, match=f"agent durable_agent: model {model} needs a key: set {variable}"):
        async with runner_of(DurableAgent(model=model)):
            pass
    with pytest.raises(ModelMissingError, match=f"agent durable_agent: model {model} needs a key: set {variable}"):
        async with runner_of(DurableAgent(), model=model):
            pass
    async with runner_of(DurableAgent(model="offline"), model=model):
        pass
    monkeypatch.setenv(other, "no-real-one")
    async with runner_of(DurableAgent(model=model)):
        pass


SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("address", "found"),
    [
        (
            f"https://user:{SECRET}@models.example/v1",
            r"'https://\*\*\*@models\.example/v1': found a user or password in",
        ),
        (f"https://{SECRET}@models.example/v1", r"'https://\*\*\*@models\.example/v1': found a user or password in"),
        (
            f"https://models.example/v1?api-key={SECRET}",
            r"'https://models\.example/v1': found `api-key` in its address",
        ),
        (f"ftp://user:{SECRET}@models.example/v1", r"'ftp://\*\*\*@models\.example/v1': found a user or password in"),
    ],
)
def test_a_key_in_a_models_address_is_refused_and_not_repeated(address: str, found: str) -> None:
    for make in (lambda: Model(name="m", base_url=address), lambda: DurableAgent(model=f"{address}#m")):
        with pytest.raises(ModelMissingError, match=f"model {found}.*set the key in HUB_MODEL_KEY") as refused:
            make()
        assert SECRET not in str(refused.value)


HOLDING_KEYS: list[tuple[dict[str, Any], str]] = [
    ({"extra_headers": {"Authorization": f"Bearer {SECRET}"}}, "extra_headers.Authorization"),
    ({"extra_headers": {"X-Api-Key": SECRET}}, "extra_headers.X-Api-Key"),
    ({"extra_headers": {"x-gateway-token": SECRET}}, "extra_headers.x-gateway-token"),
    ({"extra_headers": {"X-Who": f"Basic {SECRET}"}}, "extra_headers.X-Who"),
    ({"extra_headers": {"Cookie": SECRET}}, "extra_headers.Cookie"),
    ({"extra_body": {"auth": {"api_key": SECRET}}}, "extra_body.auth.api_key"),
    ({"api_key": SECRET}, "api_key"),
]


@pytest.mark.parametrize(("settings", "where"), HOLDING_KEYS)
def test_a_key_in_the_settings_of_model_calls_is_refused_and_not_repeated(settings: dict[str, Any], where: str) -> None:
    with pytest.raises(
        InvalidInputError,
        match=rf"agent durable_agent: found `{where}` in the settings of its model calls.*HUB_MODEL_KEY",
    ) as refused:
        DurableAgent(model="offline", model_settings=settings)
    assert SECRET not in str(refused.value)


def test_settings_that_only_sound_like_keys_are_taken() -> None:
    settings = {
        "max_tokens": 5,
        "openai_prompt_cache_key": "books",
        "logit_bias": {"7": 1},
        "extra_headers": {"X-Title": "books", "Idempotency-Key": "one"},
    }
    assert DurableAgent(model="offline", model_settings=settings).model_settings == settings


async def test_a_key_that_code_hands_to_a_model_call_never_reaches_the_history(runner_of: RunnerOf) -> None:
    class Careless(DurableAgent):
        model = "offline"

        async def say(self, how: str) -> str:
            secret = how[::-1]
            return await self.llm.generate("Hello?", settings={"extra_headers": {"Authorization": secret}})

    agent = Careless()
    async with runner_of(agent) as runner:
        started = await runner.start_run(agent.say, SECRET[::-1])
        with pytest.raises(RunFailedError, match=r"agent careless: found `extra_headers\.Authorization`"):
            await runner.runs.result(started, timeout_s=30)
        history = await runner.runs.history(started)
    assert history
    assert SECRET not in repr(history)
