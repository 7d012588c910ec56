"""Turn what a person searches for into arXiv's query language."""

import re
from dataclasses import dataclass
from typing import Literal

Sort = Literal["relevance", "submitted", "updated"]

_SORT_KEYS: dict[Sort, str] = {
    "relevance": "relevance",
    "submitted": "submittedDate",
    "updated": "lastUpdatedDate",
}
_TERM = re.compile(r'(?:(?P<field>ti|au|abs|co|jr|cat|rn|all):)?(?P<value>"[^"]*"|[^\s"]+)')
_OPERATORS = ("AND", "OR", "ANDNOT")
_GROUPING = re.compile(r"[()\\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperQuery:
    """One page of one search."""

    words: str
    category: str | None
    author: str | None
    sort: Sort
    start: int
    max_results: int

    def to_params(self) -> dict[str, str]:
        """Source: arXiv API User's Manual, section 3.1 and appendix 5.1 (fields and operators)."""
        parts = [part for part in (_expression(self.words), self._category(), self._author()) if part]
        return {
            "search_query": " AND ".join(f"({part})" if " " in part else part for part in parts),
            "start": str(self.start),
            "max_results": str(self.max_results),
            "sortBy": _SORT_KEYS[self.sort],
            "sortOrder": "descending",
        }

    def _category(self) -> str:
        return f"cat:{self.category}" if self.category else ""

    def _author(self) -> str:
        name = " ".join(_GROUPING.sub(" ", self.author or "").replace('"', " ").split())
        return f'au:"{name}"' if name else ""


def _expression(words: str) -> str:
    """Words stand for any field and must all be there; `ti:`, `au:`, `abs:` and the operators may be used."""
    parts: list[str] = []
    for match in _TERM.finditer(_GROUPING.sub(" ", words)):
        value = match["value"]
        if value in _OPERATORS and match["field"] is None:
            if parts and parts[-1] not in _OPERATORS:
                parts.append(value)
            continue
        value = f'"{value[1:-1].strip()}"' if value.startswith('"') else value
        if not value.strip('" '):
            continue
        if parts and parts[-1] not in _OPERATORS:
            parts.append("AND")
        parts.append(f"{match['field'] or 'all'}:{value}")
    while parts and parts[-1] in _OPERATORS:
        parts.pop()
    return " ".join(parts)
