"""Vectors of texts: from a model provider, or from a small model on this machine."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import anyio.to_thread

from hub.agents.errors import ModelMissingError, ModelUnavailableError
from hub.errors import ConfigError

_BATCH = 32


class ProviderEmbeddings:
    """A provider's embedding model.

    Args:
        model: `openai:text-embedding-3-small`, or another that pydantic-ai knows.
        dimensions: of a vector, where it is known; else it is found out by the first.
    """

    def __init__(self, model: str, *, dimensions: int | None = None) -> None:
        self._name = model
        self._dimensions = dimensions

    @property
    def dimensions(self) -> int | None:
        return self._dimensions

    @cached_property
    def _embedder(self) -> Any:
        from pydantic_ai.embeddings import Embedder
        from pydantic_ai.exceptions import UserError

        try:
            return Embedder(self._name, defer_model_check=False)
        except (UserError, ImportError) as error:
            raise ModelMissingError(
                f"embeddings {self._name!r}: unknown, or without a key; for openai set OPENAI_API_KEY, or use "
                "`memory.LocalEmbeddings(...)`"
            ) from error

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        from pydantic_ai.exceptions import ModelAPIError

        embedder = self._embedder
        try:
            result = await (embedder.embed_query(texts) if query else embedder.embed_documents(texts))
        except ModelAPIError as error:
            raise ModelUnavailableError(
                f"embeddings {self._name!r}: the provider does not answer as it should"
            ) from error
        vectors = [list(map(float, vector)) for vector in result.embeddings]
        if vectors:
            self._dimensions = len(vectors[0])
        return vectors


class LocalEmbeddings:
    """A small BERT model on this machine, without PyTorch (the extra `embeddings`).

    Args:
        folder: with `config.json`, `tokenizer.json` and `model.safetensors`, as sentence-transformers lays them out;
            mean pooling and normalisation, which is what the MiniLM, E5, GTE and BGE-small families of
            sentence encoders are used with.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)

    @property
    def dimensions(self) -> int:
        return int(self._model.config["hidden_size"])

    @cached_property
    def _model(self) -> "_Bert":
        try:
            return _Bert(self._folder)
        except ImportError as error:
            raise ConfigError(
                "memory.LocalEmbeddings needs further packages: install interop-hub[embeddings]"
            ) from error
        except (OSError, KeyError, ValueError) as error:
            raise ConfigError(
                f"memory.LocalEmbeddings: {self._folder.name!r} is no folder with the config.json, tokenizer.json and "
                "model.safetensors of a BERT sentence encoder"
            ) from error

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        def work() -> list[list[float]]:
            return [
                vector
                for start in range(0, len(texts), _BATCH)
                for vector in self._model.encode(list(texts[start : start + _BATCH]))
            ]

        return await anyio.to_thread.run_sync(work)


class _Bert:
    """The forward pass of a BERT encoder.

    Source: Devlin et al., BERT (2019), section 3, over the parameter names of Hugging Face's `BertModel`.
    """

    def __init__(self, folder: Path) -> None:
        import numpy as np
        from safetensors import numpy as safetensors
        from tokenizers import Tokenizer

        self._np: Any = np
        self.config: dict[str, Any] = json.loads((folder / "config.json").read_text())
        if self.config.get("model_type") != "bert":
            raise ValueError("not a BERT")
        weights = cast("dict[str, Any]", cast("Any", safetensors).load_file(folder / "model.safetensors"))
        self._weights = {name.removeprefix("bert."): value.astype("float32") for name, value in weights.items()}
        self._heads = int(self.config["num_attention_heads"])
        self._epsilon = float(self.config.get("layer_norm_eps", 1e-12))
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(min(256, int(self.config["max_position_embeddings"])))
        self._tokenizer.enable_padding()

    def encode(self, texts: list[str]) -> list[list[float]]:
        np = self._np
        encoded = self._tokenizer.encode_batch(texts)
        ids = np.array([each.ids for each in encoded])
        mask = np.array([each.attention_mask for each in encoded], dtype="float32")
        hidden = self._weights["embeddings.word_embeddings.weight"][ids]
        hidden = hidden + self._weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        hidden = self._norm(
            hidden + self._weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm"
        )
        unseen = (1.0 - mask)[:, None, None, :] * -1e9
        for layer in range(int(self.config["num_hidden_layers"])):
            hidden = self._layer(hidden, unseen, f"encoder.layer.{layer}")
        pooled = (hidden * mask[:, :, None]).sum(1) / np.clip(mask.sum(1)[:, None], 1e-9, None)
        pooled = pooled / np.clip(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12, None)
        return pooled.tolist()

    def _layer(self, hidden: Any, unseen: Any, at: str) -> Any:
        np = self._np
        size, length, width = hidden.shape

        def heads(name: str) -> Any:
            split = self._linear(hidden, f"{at}.attention.self.{name}")
            return split.reshape(size, length, self._heads, width // self._heads).transpose(0, 2, 1, 3)

        query, key, value = heads("query"), heads("key"), heads("value")
        scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(width // self._heads) + unseen
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        seen = (scores / scores.sum(-1, keepdims=True)) @ value
        seen = seen.transpose(0, 2, 1, 3).reshape(size, length, width)
        hidden = self._norm(
            hidden + self._linear(seen, f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm"
        )
        inner = self._linear(hidden, f"{at}.intermediate.dense")
        inner = inner * 0.5 * (1.0 + _erf(np, inner / np.sqrt(2.0)))
        return self._norm(hidden + self._linear(inner, f"{at}.output.dense"), f"{at}.output.LayerNorm")

    def _linear(self, value: Any, name: str) -> Any:
        return value @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _norm(self, value: Any, name: str) -> Any:
        mean = value.mean(-1, keepdims=True)
        spread = value.var(-1, keepdims=True)
        normal = (value - mean) / self._np.sqrt(spread + self._epsilon)
        return normal * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _erf(np: Any, value: Any) -> Any:
    """The error function, to 1.5e-7.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26.
    """
    t = 1.0 / (1.0 + 0.3275911 * np.abs(value))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(value) * (1.0 - series * np.exp(-value * value))
