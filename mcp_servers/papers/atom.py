"""Read the Atom feeds of arXiv's API; what comes over the network is not trusted."""

from dataclasses import dataclass
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from mcp_servers.papers.errors import BadFeedError, BadQueryError
from mcp_servers.papers.model import Paper, normalize_id, paper_uri

_ATOM = "{http://www.w3.org/2005/Atom}"
_ARXIV = "{http://arxiv.org/schemas/atom}"
_OPENSEARCH = "{http://a9.com/-/spec/opensearch/1.1/}"
_MAX_DEPTH = 16
_ERROR_IDS = "/api/errors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One page of a feed."""

    papers: list[Paper]
    total: int
    start: int


def parse_feed(data: bytes) -> Feed:
    """Read one feed.

    Raises:
        BadFeedError: it is no XML, has a document type (and so perhaps entities that grow), or is no feed of papers.
        BadQueryError: arXiv says in it what is wrong with the query.

    Source: arXiv API User's Manual, sections 3.3 (the feed) and 3.4 (errors).
    """
    root = _parse_xml(data)
    if root.tag != f"{_ATOM}feed":
        raise BadFeedError(f"The answer is a <{root.tag.rpartition('}')[2]}>, expected an Atom <feed>.")
    entries = root.findall(f"{_ATOM}entry")
    for entry in entries:
        if _ERROR_IDS in _text(entry, f"{_ATOM}id"):
            raise BadQueryError(f"arXiv refused the query: {_text(entry, f'{_ATOM}summary') or 'no reason given'}.")
    papers = [_paper(entry) for entry in entries]
    return Feed(
        papers=papers,
        total=_number(root, f"{_OPENSEARCH}totalResults", default=len(papers)),
        start=_number(root, f"{_OPENSEARCH}startIndex", default=0),
    )


def _parse_xml(data: bytes) -> Element:
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise BadFeedError(f"The feed is nested more than {_MAX_DEPTH} deep.")
        builder.start(_qualified(tag), {_qualified(name): value for name, value in attributes.items()})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_qualified(tag))

    def refuse_document_type(*_: object) -> None:
        raise BadFeedError("The feed has a document type, which a feed has no need of; it was not read.")

    parser.StartDoctypeDeclHandler = refuse_document_type
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise BadFeedError(f"The feed is not well-formed XML ({error}).") from error
    return builder.close()


def _qualified(name: str) -> str:
    return "{" + name if "}" in name else name


def _paper(entry: Element) -> Paper:
    paper_id = normalize_id(_text(entry, f"{_ATOM}id"))
    if paper_id is None:
        raise BadFeedError("The feed has an entry without an arXiv identifier.")
    links = {link.get("title") or link.get("rel"): link.get("href", "") for link in entry.findall(f"{_ATOM}link")}
    categories = [category.get("term", "") for category in entry.findall(f"{_ATOM}category")]
    primary = entry.find(f"{_ARXIV}primary_category")
    return Paper(
        id=paper_id,
        uri=paper_uri(paper_id),
        title=_text(entry, f"{_ATOM}title"),
        abstract=_text(entry, f"{_ATOM}summary"),
        authors=[_text(author, f"{_ATOM}name") for author in entry.findall(f"{_ATOM}author")],
        published=_text(entry, f"{_ATOM}published"),
        updated=_text(entry, f"{_ATOM}updated"),
        primary_category=primary.get("term", "") if primary is not None else next(iter(categories), ""),
        categories=categories,
        abstract_url=links.get("alternate") or f"https://arxiv.org/abs/{paper_id}",
        pdf_url=links.get("pdf") or f"https://arxiv.org/pdf/{paper_id}",
        doi=_text(entry, f"{_ARXIV}doi") or None,
        journal_ref=_text(entry, f"{_ARXIV}journal_ref") or None,
        comment=_text(entry, f"{_ARXIV}comment") or None,
    )


def _text(parent: Element, tag: str) -> str:
    """The text of a child on one line: feeds break their lines anywhere."""
    child = parent.find(tag)
    return "" if child is None else " ".join("".join(child.itertext()).split())


def _number(parent: Element, tag: str, *, default: int) -> int:
    text = _text(parent, tag)
    if not text:
        return default
    if not text.isdecimal():
        raise BadFeedError(f"The feed says {text!r} for {tag.rpartition('}')[2]}, expected a number.")
    return int(text)
