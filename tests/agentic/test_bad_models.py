"""A model that is not there, or has no key, is named before anything runs."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic_ai import providers

from hub import AgentRunner, DurableAgent
from hub.agents import Model, ModelMissingError
from hub.agents.models.providers import KEY_VARIABLES, PROVIDERS
from hub.config import load_config
from hub.errors import ConfigError

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
