"""What is kept of a run, so that the same call again finds it: open questions, answers, the result."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, cast

from .failures import HostError
from .forms import Form
from .storage import Store
from .tools import Completed, Question

Json = dict[str, Any]

_KEY = "record"


def arguments_digest(arguments: Json) -> str:
    """Fingerprint the arguments under which a key was first used."""
    return hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()


def question_key(run: str, place: str, message: str, schema: Json) -> str:
    """Bind a question's key to what is asked: the same question of a repeated run gets the same key."""
    wanted = json.dumps([run, place, message, schema], sort_keys=True, default=str)
    return hashlib.sha256(wanted.encode()).hexdigest()[:32]


class RunRecord:
    """The stored side of one run."""

    def __init__(self, store: Store, digest: str) -> None:
        self._store = store
        self.digest = digest
        self.open: dict[str, Question] = {}
        self.answers: dict[str, Any] = {}
        """Question key -> answer, None for declined; one object for the life of the run."""
        self.result: Completed | None = None
        self.stored = False

    async def load(self) -> None:
        """Read what is stored.

        Raises:
            HostError: the run's key was first used with other arguments.
        """
        text = await self._store.get(_KEY)
        if text is None:
            return
        self.stored = True
        data = cast("Json", json.loads(text))
        if data["digest"] != self.digest:
            raise HostError("invalid_input", "this idempotency key was used before with other arguments")
        self.open = {key: Question(**question) for key, question in data["open"].items()}
        self.answers.update(data["answers"])
        if data["result"] is not None:
            self.result = Completed(**data["result"])

    async def save(self) -> None:
        result = self.result
        data = {
            "digest": self.digest,
            "open": {key: {"message": item.message, "schema": item.schema} for key, item in self.open.items()},
            "answers": self.answers,
            "result": None
            if result is None
            else {"structured": result.structured, "text": result.text, "meta": result.meta},
        }
        await self._store.put({_KEY: json.dumps(data)})
        self.stored = True

    async def take(self, responses: Mapping[str, Any]) -> dict[str, Any]:
        """Store the answers to open questions, before anything acts on them.

        Args:
            responses: question key -> `ElicitResult`.

        Returns:
            The new answers; what was answered before counts no second time.

        Raises:
            HostError: a question was never asked or is no longer open, its answer does not fit, or was dismissed.
        """
        taken: dict[str, Any] = {}
        for key, response in responses.items():
            if key in self.answers:
                continue
            question = self.open.get(key)
            if question is None:
                raise HostError("stale_answer", "that question is not open; make the call again to see what is")
            body = cast("Json", response) if isinstance(response, dict) else {}
            match body.get("action"):
                case "accept":
                    content = body.get("content")
                    answer = cast("Json", content) if isinstance(content, dict) else {}
                    taken[key] = Form(question.schema).read(answer)
                case "decline":
                    taken[key] = None
                case _:
                    raise HostError("declined", "the question was dismissed; make the call again to be asked again")
        if taken:
            self.answers.update(taken)
            self.open = {key: item for key, item in self.open.items() if key not in taken}
            await self.save()
        return taken
