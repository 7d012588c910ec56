"""Checks a JSON value against a JSON Schema before a framework sees it.

The environment of a target need not have any validator, so the vocabulary that schemas of arguments use is checked
here. Annotations, and `format`, check nothing.

Source: JSON Schema 2020-12, Core and Validation.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

Json = dict[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
}


def find_problem(value: Any, schema: Any, definitions: Json | None = None) -> str | None:
    """Return the first thing that does not fit, with its JSON path, or None."""
    root = definitions if definitions is not None else _as_object(schema)
    return next(_problems(value, schema, root, "$", 0), None)


def _as_object(value: Any) -> Json:
    return cast("Json", value) if isinstance(value, dict) else {}


def _has_type(value: Any, name: str) -> bool:
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if name == "integer":
        whole = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value) and value.is_integer())
        return whole and not isinstance(value, bool)
    return isinstance(value, _TYPES.get(name, (object,)))


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        lefts, rights = cast("list[Any]", left), cast("list[Any]", right)
        return len(lefts) == len(rights) and all(map(_same, lefts, rights))
    if isinstance(left, dict) and isinstance(right, dict):
        one, other = cast("Json", left), cast("Json", right)
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(left == right)


def _resolve(reference: str, root: Json) -> Any:
    """Follow a reference inside the document; one that leads nowhere refuses everything."""
    if not reference.startswith("#"):
        return False
    found: Any = root
    for part in reference[1:].split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and key in found:
            found = cast("Json", found)[key]
        else:
            return False
    return found


def _problems(value: Any, schema: Any, root: Json, path: str, depth: int) -> Iterator[str]:
    if depth > 64:
        yield f"{path}: nested too deeply"
        return
    if schema is False:
        yield f"{path}: not allowed here"
        return
    if not isinstance(schema, dict):
        return
    rules = cast("Json", schema)
    if "$ref" in rules:
        yield from _problems(value, _resolve(str(rules["$ref"]), root), root, path, depth + 1)
    if "type" in rules:
        names: list[str] = [rules["type"]] if isinstance(rules["type"], str) else list(rules["type"])
        if not any(_has_type(value, name) for name in names):
            yield f"{path}: expected {' or '.join(names)}"
            return
    if "enum" in rules and not any(_same(value, choice) for choice in rules["enum"]):
        yield f"{path}: expected one of {', '.join(map(repr, rules['enum']))}"
    if "const" in rules and not _same(value, rules["const"]):
        yield f"{path}: expected {rules['const']!r}"
    yield from _combined(value, rules, root, path, depth)
    if isinstance(value, dict):
        yield from _object_problems(cast("Json", value), rules, root, path, depth)
    elif isinstance(value, list):
        yield from _array_problems(cast("list[Any]", value), rules, root, path, depth)
    elif isinstance(value, str):
        yield from _string_problems(value, rules, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number_problems(value, rules, path)


def _combined(value: Any, rules: Json, root: Json, path: str, depth: int) -> Iterator[str]:
    def fits(schema: Any) -> bool:
        return next(_problems(value, schema, root, path, depth + 1), None) is None

    for schema in rules.get("allOf", ()):
        yield from _problems(value, schema, root, path, depth + 1)
    if "anyOf" in rules and not any(map(fits, rules["anyOf"])):
        yield _closest(value, rules["anyOf"], root, path, depth)
    if "oneOf" in rules and (count := sum(map(fits, rules["oneOf"]))) != 1:
        yield _closest(value, rules["oneOf"], root, path, depth) if not count else f"{path}: fits more than one variant"
    if "not" in rules and fits(rules["not"]):
        yield f"{path}: not allowed here"
    if "if" in rules:
        branch = "then" if fits(rules["if"]) else "else"
        yield from _problems(value, rules.get(branch, True), root, path, depth + 1)


def _closest(value: Any, variants: list[Any], root: Json, path: str, depth: int) -> str:
    found = [next(_problems(value, variant, root, path, depth + 1), "") for variant in variants]
    deeper = [problem for problem in found if not problem.startswith(f"{path}: expected ")]
    if len(deeper) == 1:
        return deeper[0]
    return f"{path}: expected " + " or ".join(dict.fromkeys(problem.partition("expected ")[2] for problem in found))


def _object_problems(value: Json, rules: Json, root: Json, path: str, depth: int) -> Iterator[str]:
    properties = _as_object(rules.get("properties"))
    patterns = _as_object(rules.get("patternProperties"))
    for key in rules.get("required", ()):
        if key not in value:
            yield f"{path}.{key}: required, but missing"
    for key, needed in _as_object(rules.get("dependentRequired")).items():
        yield from (f"{path}.{name}: required with {key}" for name in needed if key in value and name not in value)
    for key, item in value.items():
        if not isinstance(cast("Any", key), str):
            yield f"{path}: keys must be strings"
            return
        known = key in properties
        if known:
            yield from _problems(item, properties[key], root, f"{path}.{key}", depth + 1)
        for pattern, schema in patterns.items():
            if re.search(pattern, key):
                known = True
                yield from _problems(item, schema, root, f"{path}.{key}", depth + 1)
        if not known and "additionalProperties" in rules:
            rest = rules["additionalProperties"]
            if rest is False:
                names = ", ".join(sorted(properties)) or "none"
                yield f"{path}.{key}: unknown; known are: {names}"
            else:
                yield from _problems(item, rest, root, f"{path}.{key}", depth + 1)
        if "propertyNames" in rules:
            yield from _problems(key, rules["propertyNames"], root, f"{path}.{key}", depth + 1)
    yield from _counted(len(value), rules, "Properties", "keys", path)


def _array_problems(value: list[Any], rules: Json, root: Json, path: str, depth: int) -> Iterator[str]:
    first: list[Any] = rules.get("prefixItems", [])
    for place, item in enumerate(value):
        schema = first[place] if place < len(first) else rules.get("items", True)
        yield from _problems(item, schema, root, f"{path}[{place}]", depth + 1)
    yield from _counted(len(value), rules, "Items", "items", path)
    if rules.get("uniqueItems") and any(_same(a, b) for n, a in enumerate(value) for b in value[:n]):
        yield f"{path}: expected no item twice"
    if "contains" in rules:
        count = sum(next(_problems(item, rules["contains"], root, path, depth + 1), None) is None for item in value)
        if not rules.get("minContains", 1) <= count <= rules.get("maxContains", count):
            yield f"{path}: holds {count} of the items that it must contain"


def _string_problems(value: str, rules: Json, path: str) -> Iterator[str]:
    yield from _counted(len(value), rules, "Length", "characters", path)
    if "pattern" in rules and not re.search(rules["pattern"], value):
        yield f"{path}: expected text like {rules['pattern']}"


def _number_problems(value: float, rules: Json, path: str) -> Iterator[str]:
    if value < rules.get("minimum", value):
        yield f"{path}: expected at least {rules['minimum']}"
    if value > rules.get("maximum", value):
        yield f"{path}: expected at most {rules['maximum']}"
    if "exclusiveMinimum" in rules and value <= rules["exclusiveMinimum"]:
        yield f"{path}: expected more than {rules['exclusiveMinimum']}"
    if "exclusiveMaximum" in rules and value >= rules["exclusiveMaximum"]:
        yield f"{path}: expected less than {rules['exclusiveMaximum']}"
    if (step := rules.get("multipleOf")) and abs(value / step - round(value / step)) > 1e-9:
        yield f"{path}: expected a multiple of {step}"


def _counted(count: int, rules: Mapping[str, Any], suffix: str, what: str, path: str) -> Iterator[str]:
    if count < rules.get(f"min{suffix}", 0):
        yield f"{path}: expected at least {rules[f'min{suffix}']} {what}"
    if count > rules.get(f"max{suffix}", count):
        yield f"{path}: expected at most {rules[f'max{suffix}']} {what}"
