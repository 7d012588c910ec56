"""The model providers that there are, and the variables that hold their keys."""

from collections.abc import Mapping
from typing import Final

PROVIDERS: Final = frozenset(
    {
        "alibaba",
        "anthropic",
        "azure",
        "azure-responses",
        "bedrock",
        "bedrock-mantle",
        "cerebras",
        "cohere",
        "crusoe",
        "deepseek",
        "fireworks",
        "github",
        "github-copilot",
        "google",
        "google-cloud",
        "groq",
        "heroku",
        "huggingface",
        "litellm",
        "meta",
        "mistral",
        "moonshotai",
        "nebius",
        "ollama",
        "openai",
        "openai-chat",
        "openai-chatgpt",
        "openai-codex",
        "openai-responses",
        "openrouter",
        "ovhcloud",
        "sambanova",
        "snowflake",
        "system-one",
        "together",
        "typesafe",
        "vercel",
        "vllm",
        "xai",
        "zai",
    }
)
"""Those of pydantic-ai that chat, kept here since loading it takes a second; a test compares the two.

Source: pydantic_ai.providers.infer_provider_class.
"""
GATEWAY: Final = "gateway/"
"""Stands before a provider that is reached through pydantic-ai's gateway, which has names of its own."""

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
ANY_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "openai": ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY"),
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
}
"""Without any of these the provider is known to refuse before it is asked."""


def is_known(provider: str) -> bool:
    """Whether there may be a provider of this name."""
    return provider in PROVIDERS or (provider.startswith(GATEWAY) and provider != GATEWAY)
