"""Which model: a name as people write it, made into what a step can be told."""

import difflib
from collections.abc import Container
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from hub.agents.errors import ModelMissingError
from hub.agents.models.credentials import secret_in_address, without_user
from hub.agents.models.providers import ANY_OF, PROVIDERS, is_known

OFFLINE: Final = "offline"
MODEL_VARIABLE: Final = "HUB_MODEL"
URL_KEY_VARIABLE: Final = "HUB_MODEL_KEY"
OLLAMA_URL: Final = "http://127.0.0.1:11434/v1"
FORMS: Final = (
    "PROVIDER:NAME (openai:..., anthropic:..., ollama:...), URL#NAME (http://127.0.0.1:8000/v1#my-model) or "
    f"{OFFLINE!r}"
)
"""How a model may be named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model behind a URL that speaks OpenAI's protocol; the short form is the text `URL#NAME`.

    Its key comes from `HUB_MODEL_KEY`; the key of another provider is never sent to it.
    """

    name: str
    base_url: str

    def __post_init__(self) -> None:
        choose_url(self.base_url, self.name)

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
    if "://" in model:
        url, _, name = model.partition("#")
        return choose_url(url, name)
    provider, colon, name = model.partition(":")
    if not colon or not provider or not name:
        raise ModelMissingError(f"model {model!r}: expected {FORMS}")
    if not is_known(provider):
        near = difflib.get_close_matches(provider, PROVIDERS, n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise ModelMissingError(f"model {model!r}: there is no model provider {provider!r}{meant}; expected {FORMS}")
    return Choice(provider=provider, name=name)


def choose_url(url: str, name: str) -> Choice:
    """The model of this name behind this address.

    Raises:
        ModelMissingError: it is no address of HTTP, it holds a key, or there is no name.
    """
    shown = without_user(url)
    secret = None
    try:
        parts = urlsplit(url)
        secret = secret_in_address(parts)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if secret is not None:
        raise ModelMissingError(
            f"model {shown.partition('?')[0]!r}: found {secret} in its address, which stays in the history of each "
            f"run; leave it out, and set the key in {URL_KEY_VARIABLE}"
        )
    if not is_address or not name:
        raise ModelMissingError(f"model {shown!r}: expected URL#NAME, as in http://127.0.0.1:8000/v1#my-model")
    return Choice(provider="url", name=name, base_url=url)


def check_key(choice: Choice, variables: Container[str]) -> None:
    """Refuse a model whose provider is known to need a key that is not there.

    Args:
        variables: the names of the variables that are set.

    Raises:
        ModelMissingError: there is none; the message names the variable.
    """
    wanted = ANY_OF.get(choice.provider, ())
    if wanted and not any(each in variables for each in wanted):
        raise ModelMissingError(f"model {choice.provider}:{choice.name} needs a key: set {wanted[0]}")
