"""Papers as resources."""

from mcp import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    ResourceTemplate,
    TextResourceContents,
)

from mcp_servers.papers.arxiv import Arxiv
from mcp_servers.papers.errors import PapersError, UnknownPaperError
from mcp_servers.papers.model import Paper, normalize_id
from mcp_servers.papers.progress import Progress
from mcp_servers.toolset import RequestContext

_MARKDOWN = "text/markdown"


class PaperResources:
    """Reads papers for the resource methods."""

    def __init__(self, arxiv: Arxiv) -> None:
        self._arxiv = arxiv

    async def list(self, _context: RequestContext, _params: PaginatedRequestParams | None) -> ListResourcesResult:
        """None: there are millions, and the template reaches each."""
        return ListResourcesResult(resources=[])

    async def list_templates(
        self, _context: RequestContext, _params: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(
            resource_templates=[
                ResourceTemplate(
                    uri_template="papers://{id}",
                    name="paper",
                    title="One paper",
                    description="Abstract and metadata by arXiv identifier, such as 2101.00001.",
                    mime_type=_MARKDOWN,
                )
            ]
        )

    async def read(self, context: RequestContext, params: ReadResourceRequestParams) -> ReadResourceResult:
        """Source: MCP 2026-07-28, server/resources; a resource that is not there is -32602 (SEP-2164)."""
        uri = str(params.uri)
        paper_id = normalize_id(uri) if uri.startswith("papers://") else None
        if paper_id is None:
            raise _error(INVALID_PARAMS, uri, "Expected papers://{id} with an arXiv identifier, such as 2101.00001.")
        try:
            paper = await self._arxiv.paper(paper_id, Progress(context.session.report_progress))
        except UnknownPaperError as error:
            raise _error(INVALID_PARAMS, uri, str(error)) from error
        except PapersError as error:
            raise _error(INTERNAL_ERROR, uri, str(error)) from error
        return ReadResourceResult(
            contents=[TextResourceContents(uri=uri, text=to_markdown(paper), mime_type=_MARKDOWN)]
        )


def to_markdown(paper: Paper) -> str:
    facts = {
        "Authors": ", ".join(paper.authors),
        "Published": paper.published,
        "Updated": paper.updated,
        "Categories": ", ".join(paper.categories),
        "DOI": paper.doi,
        "Journal": paper.journal_ref,
        "Comment": paper.comment,
        "Abstract page": paper.abstract_url,
        "PDF": paper.pdf_url,
    }
    lines = [f"- {name}: {value}" for name, value in facts.items() if value]
    return "\n".join([f"# {paper.title}", "", paper.abstract, "", f"- arXiv: {paper.id}", *lines, ""])


def _error(code: int, uri: str, message: str) -> MCPError:
    problem = "Resource not found" if code == INVALID_PARAMS else "Resource can't be read"
    return MCPError(code=code, message=f"{problem}: {uri}. {message}", data={"uri": uri})
