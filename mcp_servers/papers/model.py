"""What a paper is, and the names that arXiv gives it."""

import re
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict, Field

_ARXIV_ID = re.compile(
    r"(?:(?P<new>[0-9]{4}\.[0-9]{4,5})|(?P<old>[a-z][a-z-]*(?:\.[A-Z]{2})?/[0-9]{7}))(?P<version>v[1-9][0-9]{0,2})?"
)
_ID_PREFIX = re.compile(r"(?i)^(?:arxiv:|https?://(?:[a-z]+\.)?arxiv\.org/(?:abs|pdf)/|papers://)")


class Paper(BaseModel):
    """One paper: its abstract and what is known about it."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="arXiv identifier with its version, such as 2101.00001v2.")
    uri: str
    title: str
    abstract: str
    authors: list[str]
    published: str = Field(description="First version, ISO 8601.")
    updated: str = Field(description="This version, ISO 8601.")
    primary_category: str
    categories: list[str]
    abstract_url: str
    pdf_url: str
    doi: str | None
    journal_ref: str | None
    comment: str | None


class PaperSummary(BaseModel):
    """One paper in a list of hits."""

    id: str
    uri: str
    title: str
    authors: list[str]
    published: str
    primary_category: str
    excerpt: str = Field(description="How the abstract begins; read_paper gives all of it.")


class FoundPapers(BaseModel):
    """One page of hits."""

    papers: list[PaperSummary]
    total: int = Field(description="Papers that match, on all pages.")
    start: int
    next_start: int | None = Field(description="Give this as `start` to get the next page; null on the last one.")


def normalize_id(text: str) -> str | None:
    """The bare identifier in what people write: `arXiv:2101.00001`, an address of the abstract or the PDF, a URI.

    Source: arXiv identifier scheme, the form since 2007-04 and the one before.
    """
    bare = unquote(_ID_PREFIX.sub("", text.strip())).removesuffix(".pdf")
    return bare if _ARXIV_ID.fullmatch(bare) else None


def without_version(paper_id: str) -> str:
    return re.sub(r"v[0-9]+$", "", paper_id)


def paper_uri(paper_id: str) -> str:
    return f"papers://{quote(paper_id, safe='')}"
