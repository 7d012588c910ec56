"""What a run has used of its models."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from hub.agents.signatures import Json
from hub.workflows import RunEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Tokens and cost of model calls."""

    model_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)
    """None: of at least one call the price is not known."""

    def plus(self, answered: Json) -> "Totals":
        """With one more answer of the model step."""
        usage = cast("dict[str, Any]", answered.get("usage") or {})
        price = answered.get("cost_usd")
        return Totals(
            model_calls=self.model_calls + 1,
            input_tokens=self.input_tokens + int(usage.get("input_tokens", 0)),
            output_tokens=self.output_tokens + int(usage.get("output_tokens", 0)),
            cost_usd=None if self.cost_usd is None or price is None else self.cost_usd + Decimal(str(price)),
        )


def totals_of(history: Iterable[RunEvent]) -> Totals:
    """What a run has used so far, by its history; child runs have histories of their own."""
    totals = Totals()
    for event in history:
        answered = cast("object", event.value)
        # A result does not say which step's it is; nothing else than the model step's has these two.
        if event.kind == "taskCompleted" and isinstance(answered, dict) and {"message", "usage"} <= answered.keys():
            totals = totals.plus(cast("Json", answered))
    return totals
