"""Ask the person before a note is gone, in the way that the client's protocol era has for it."""

from typing import Any

from mcp.types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from mcp_servers.notes.model import Note
from mcp_servers.toolset import ToolCall, ToolRefusedError

_QUESTION = "confirm_deletion"
_ANSWER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "delete": {
            "type": "boolean",
            "title": "Delete it",
            "description": "A deleted note can't be brought back.",
            "default": False,
        }
    },
    "required": ["delete"],
}


async def confirm_deletion(call: ToolCall, note: Note) -> bool | InputRequiredResult:
    """Find out whether the person agrees that this version of the note is deleted.

    An answer counts for the version that was shown: if the note has changed since, the person is asked again.

    Returns:
        Yes or no; or, for a modern client that has not been asked yet, the question to return to it.

    Raises:
        ToolRefusedError: this client can't ask anybody.

    Source: MCP 2026-07-28, basic/patterns/mrtr; MCP 2025-11-25, client/elicitation.
    """
    session = call.context.session
    modern = call.context.protocol_version in MODERN_PROTOCOL_VERSIONS
    shown = f"{note.id}:{note.version}"
    answer = call.answers.get(_QUESTION)
    if modern and answer is not None and call.state == shown:
        return _agrees(answer)
    capabilities = session.client_capabilities
    if capabilities is None or capabilities.elicitation is None or not (modern or session.can_send_request):
        raise ToolRefusedError(
            f"Note {note.id} ({note.title!r}) was not deleted: a person has to agree and this client can't ask "
            "(it has no elicitation). Ask them yourself, then call delete_note again with confirm=true."
        )
    request = ElicitRequestFormParams(
        message=f"Delete note {note.id}, “{note.title}”, for good?", requested_schema=_ANSWER_SCHEMA
    )
    if modern:
        return InputRequiredResult(input_requests={_QUESTION: ElicitRequest(params=request)}, request_state=shown)
    return _agrees(await session.elicit_form(request.message, _ANSWER_SCHEMA, call.context.request_id))


def _agrees(answer: ElicitResult) -> bool:
    return answer.action == "accept" and (answer.content or {}).get("delete") is True
