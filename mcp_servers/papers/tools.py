"""The tools of the papers server."""

from typing import Annotated

from mcp.types import ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from mcp_servers.papers.arxiv import Arxiv
from mcp_servers.papers.errors import PapersError
from mcp_servers.papers.model import FoundPapers, Paper, PaperSummary, normalize_id
from mcp_servers.papers.progress import Progress
from mcp_servers.papers.query import PaperQuery, Sort
from mcp_servers.toolset import ToolCall, ToolRefusedError, Toolset, TypedTool

_EXCERPT_CHARS = 300
_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True)

_Line = StringConstraints(strip_whitespace=True, max_length=500)


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SearchPapers(_Arguments):
    query: Annotated[str, _Line] = Field(
        "",
        description='Words that the paper must have, "phrases" in quotation marks; ti:, abs: and au: before a word '
        "look only in title, abstract or authors; AND, OR, ANDNOT join words.",
    )
    category: Annotated[str, StringConstraints(pattern=r"^[a-z-]+(\.[A-Za-z-]+)?$", max_length=40)] | None = Field(
        None, description="Only papers of this arXiv category, such as cs.AI."
    )
    author: Annotated[str, _Line] | None = Field(None, description="Only papers of this author.")
    sort: Sort = Field("relevance", description="What comes first: the best hit, the newest, or the last revised.")
    start: int = Field(0, ge=0, le=30_000, description="Hits to skip: `next_start` of the page before.")
    max_results: int = Field(10, ge=1, le=100, description="Hits on a page.")

    @model_validator(mode="after")
    def _says_what_to_find(self) -> "SearchPapers":
        if not (self.query or self.category or self.author):
            raise ValueError("expected at least one of query, category, author")
        return self


class ReadPaper(_Arguments):
    id: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = Field(
        description="arXiv identifier, with or without version, or the address of the paper."
    )


class PaperTools:
    """Answers from arXiv, in the shapes of the tools."""

    def __init__(self, arxiv: Arxiv) -> None:
        self._arxiv = arxiv

    def toolset(self) -> Toolset:
        return Toolset(
            [
                TypedTool(
                    name="search_papers",
                    title="Search papers",
                    description="Search arXiv for papers, page by page.",
                    arguments=SearchPapers,
                    result=FoundPapers,
                    annotations=_READS.model_copy(update={"title": "Search papers"}),
                    run=self.search,
                ),
                TypedTool(
                    name="read_paper",
                    title="Read a paper",
                    description="Return the abstract of a paper and what arXiv knows about it.",
                    arguments=ReadPaper,
                    result=Paper,
                    annotations=_READS.model_copy(update={"title": "Read a paper"}),
                    run=self.read,
                ),
            ]
        )

    async def search(self, call: ToolCall, arguments: SearchPapers) -> FoundPapers:
        query = PaperQuery(
            words=arguments.query,
            category=arguments.category,
            author=arguments.author,
            sort=arguments.sort,
            start=arguments.start,
            max_results=arguments.max_results,
        )
        try:
            feed = await self._arxiv.search(query, Progress(call.context.session.report_progress))
        except PapersError as error:
            raise ToolRefusedError(str(error)) from error
        after = arguments.start + len(feed.papers)
        return FoundPapers(
            papers=[_summary(paper) for paper in feed.papers],
            total=feed.total,
            start=arguments.start,
            next_start=after if feed.papers and after < feed.total else None,
        )

    async def read(self, call: ToolCall, arguments: ReadPaper) -> Paper:
        paper_id = normalize_id(arguments.id)
        if paper_id is None:
            raise ToolRefusedError(
                f"{arguments.id!r} is no arXiv identifier; expected one such as 2101.00001v2 or math/0211159."
            )
        try:
            return await self._arxiv.paper(paper_id, Progress(call.context.session.report_progress))
        except PapersError as error:
            raise ToolRefusedError(str(error)) from error


def _summary(paper: Paper) -> PaperSummary:
    text = paper.abstract
    return PaperSummary(
        id=paper.id,
        uri=paper.uri,
        title=paper.title,
        authors=paper.authors,
        published=paper.published,
        primary_category=paper.primary_category,
        excerpt=text if len(text) <= _EXCERPT_CHARS else text[: _EXCERPT_CHARS - 1] + "…",
    )
