"""Which model: a name as people write it, made into what a step can be told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from hub.agents.errors import ModelMissingError

OFFLINE: Final = "offline"
MODEL_VARIABLE: Final = "HUB_MODEL"
URL_KEY_VARIABLE: Final = "HUB_MODEL_KEY"
KEY_VARIABLES: Final[Mapping[str, str]] = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY",
    "groq": "GROQ_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "cohere": "CO_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
}
OLLAMA_URL: Final = "http://127.0.0.1:11434/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model behind a URL that speaks OpenAI's protocol; the short form is the text `URL#NAME`.

    Its key comes from `HUB_MODEL_KEY`; the key of another provider is never sent to it.
    """

    name: str
    base_url: str

    def __str__(self) -> str:
        return f"{self.base_url}#{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A model's name, taken apart."""

    provider: str
    name: str
    base_url: str | None = None

    @property
    def is_offline(self) -> bool:
        return self.provider == OFFLINE


def choose(model: str | None) -> Choice:
    """Take a model's name apart.

    Raises:
        ModelMissingError: there is none, or it is not of a form that is known.
    """
    if not model:
        raise ModelMissingError(
            f'no model: give the agent one (`model="openai:..."`), or set {MODEL_VARIABLE}; '
            f"`{OFFLINE}` is a small stand-in that needs no key"
        )
    if model == OFFLINE:
        return Choice(provider=OFFLINE, name=OFFLINE)
    if model.startswith(("http://", "https://")):
        url, _, name = model.partition("#")
        if not name or not urlsplit(url).hostname:
            raise ModelMissingError(f"model {url!r}: expected URL#NAME, as in http://127.0.0.1:8000/v1#my-model")
        return Choice(provider="url", name=name, base_url=url)
    provider, colon, name = model.partition(":")
    if not colon or not provider or not name:
        raise ModelMissingError(
            f"model {model!r}: expected PROVIDER:NAME (openai:..., anthropic:..., ollama:...), URL#NAME or {OFFLINE!r}"
        )
    if provider == "ollama":
        return Choice(provider="ollama", name=name)
    return Choice(provider=provider, name=name)
