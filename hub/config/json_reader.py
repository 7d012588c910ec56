"""JSON as editors write it, with comments and trailing commas, as plain values with line numbers."""

import json
import re
from bisect import bisect_right
from json.decoder import JSONDecodeError

from hub.config.document import Document, KeyPath, Mistake, to_text

_SPACE = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_WORDS: dict[str, object] = {"true": True, "false": False, "null": None}
_MAX_DEPTH = 64


class JsonMistakesError(Exception):
    """The text is not JSON."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("; ".join(mistake.text for mistake in mistakes))
        self.mistakes = mistakes


def read_json(text: str) -> Document:
    """Read one JSON document.

    Raises:
        JsonMistakesError: with every duplicate key, or the first error of syntax.

    Source: RFC 8259; comments and trailing commas as in the "JSON with Comments" mode of VS Code.
    """
    reader = _Reader(text)
    value = reader.document()
    if reader.mistakes:
        raise JsonMistakesError(reader.mistakes)
    return Document(value=value, lines=reader.lines)


class _Reader:
    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.mistakes: list[Mistake] = []
        self._text = text
        self._at: int = 0
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def document(self) -> object:
        self._skip()
        value = self._value(())
        self._skip()
        if self._at < len(self._text):
            raise self._error((), f"found {self._found()} after the end; expected nothing more; remove it")
        return value

    def _value(self, path: KeyPath) -> object:
        self.lines.setdefault(path, self._line())
        if len(path) > _MAX_DEPTH:
            raise self._error(path[:3], "found values nested too deep; expected a few levels; remove the nesting")
        match self._text[self._at : self._at + 1]:
            case "{":
                return self._object(path)
            case "[":
                return self._array(path)
            case '"':
                return self._string(path)
            case _:
                return self._word(path)

    def _object(self, path: KeyPath) -> dict[str, object]:
        members: dict[str, object] = {}
        self._at += 1
        while not self._closes("}"):
            if self._text[self._at : self._at + 1] != '"':
                raise self._error(
                    path, f'found {self._found()}; expected a key in double quotes or `}}`; write `"key"`'
                )
            line = self._line()
            key = self._string(path)
            here = (*path, key)
            self._skip()
            if self._text[self._at : self._at + 1] != ":":
                raise self._error(here, f"found {self._found()}; expected `:` after the key; add it")
            self._at += 1
            self._skip()
            if key in members:
                wrong = f"found the key a second time, first on line {self.lines[here]}; expected it once; remove one"
                self.mistakes.append(Mistake(line=line, key=to_text(here), text=wrong))
            self.lines.setdefault(here, line)
            members[key] = self._value(here)
            self._separator(path, "}")
        return members

    def _array(self, path: KeyPath) -> list[object]:
        items: list[object] = []
        self._at += 1
        while not self._closes("]"):
            items.append(self._value((*path, len(items))))
            self._separator(path, "]")
        return items

    def _closes(self, end: str) -> bool:
        self._skip()
        if self._text[self._at : self._at + 1] != end:
            return False
        self._at += 1
        return True

    def _separator(self, path: KeyPath, end: str) -> None:
        self._skip()
        match self._text[self._at : self._at + 1]:
            case ",":
                self._at += 1
            case found if found == end:
                pass
            case _:
                raise self._error(path, f"found {self._found()}; expected `,` or `{end}`; add it")

    def _string(self, path: KeyPath) -> str:
        match = _STRING.match(self._text, self._at)
        if match is None:
            raise self._error(path, "found a broken text; expected one in double quotes on one line; correct it")
        try:
            text = str(json.loads(match[0]))
        except JSONDecodeError as error:
            raise self._error(path, f"found a broken text ({error.msg}); expected JSON; correct it") from error
        self._at = match.end()
        return text

    def _word(self, path: KeyPath) -> object:
        for word, value in _WORDS.items():
            if self._text.startswith(word, self._at):
                self._at += len(word)
                return value
        number = _NUMBER.match(self._text, self._at)
        if number is None or len(number[0]) > 300:
            raise self._error(path, f"found {self._found()}; expected a JSON value; correct the syntax")
        self._at = number.end()
        return float(number[0]) if number[1] or number[2] else int(number[0])

    def _skip(self) -> None:
        match = _SPACE.match(self._text, self._at)
        if match is not None:
            self._at = match.end()

    def _line(self) -> int:
        return bisect_right(self._line_starts, self._at)

    def _found(self) -> str:
        rest = self._text[self._at : self._at + 1]
        return f"`{rest}`" if rest else "the end of the file"

    def _error(self, path: KeyPath, text: str) -> JsonMistakesError:
        return JsonMistakesError([*self.mistakes, Mistake(line=self._line(), key=to_text(path), text=text)])
