"""The document as one page for people: plain HTML that needs no other file and no script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from gateway.openapi.document import ERROR, JSON, Part
from gateway.openapi.schemas import SCHEMAS, Schema

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 3rem; border-bottom: 1px solid #bbb }
h3, td, th { overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #ddd }
td p { margin: 0 }
code, pre { font: 13px/1.4 ui-monospace, monospace; background: #f3f3f3 }
pre { padding: .8rem; overflow-x: auto }
details { border: 1px solid #ddd; border-radius: 4px; margin: .5rem 0; padding: .4rem .8rem }
summary { cursor: pointer }
summary b { display: inline-block; min-width: 4rem }
"""
# What a table shows of a schema in columns of its own, or not at all.
SHOWN = {"$ref", "additionalProperties", "allOf", "description", "format", "items", "properties", "required", "type"}
REFERENCE = re.compile(r"#/components/(?P<kind>[a-z]+)/(?P<name>.+)", re.IGNORECASE)


def page_of(document: Part) -> str:
    """Write the page: operations by service, then the types that they are made of."""
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    tags, refused = document["tags"], document["components"]["responses"][ERROR]
    sections = "".join(f"<li>{_link(name)}" for name in (*(tag["name"] for tag in tags), "Refusals", "Types"))
    return "\n".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{title}</title><style>{STYLE}</style>",
            f"<h1>{title}</h1>{_prose(document['info']['description'])}",
            '<p>The same for programs: <a href="openapi.json">openapi.json</a>.</p>',
            f"<nav><ul>{sections}</ul></nav>",
            *(_service(document, tag) for tag in tags),
            f'<h2 id="Refusals">Refusals of any call</h2>{_prose(refused["description"])}',
            '<h2 id="Types">Types</h2>',
            *(_type(name, schema) for name, schema in document["components"]["schemas"].items()),
            "</html>",
        ]
    )


def _service(document: Part, tag: Part) -> str:
    operations = (
        _operation(document, verb, path, operation)
        for path, verbs in document["paths"].items()
        for verb, operation in verbs.items()
        if tag["name"] in operation["tags"]
    )
    name = escape(tag["name"])
    return f'<h2 id="{name}">{name}</h2>{_prose(tag["description"])}{"".join(operations)}'


def _operation(document: Part, verb: str, path: str, operation: Part) -> str:
    parts = [_prose(operation["description"])]
    if parameters := [_resolved(document, one) for one in operation["parameters"]]:
        parts.append(f"<h4>Parameters</h4>{_table(map(_parameter, parameters))}")
    if "requestBody" in operation:
        media = operation["requestBody"]["content"][JSON]
        parts.append(f"<h4>Body: {_kind(media['schema'])}</h4>{_object(_resolved(document, media['schema']))}")
        if "example" in media:
            parts.append(f"<pre>{escape(json.dumps(media['example'], ensure_ascii=False, indent=2))}</pre>")
    for code, response in operation["responses"].items():
        told = _resolved(document, response)
        kind = _kind(told["content"][JSON]["schema"])
        # What any call may be refused for is told once.
        prose = _prose(told["description"]) if response is told else f"<p>{_link('Refusals')}</p>"
        parts.append(f"<h4>{escape(code)}: {kind}</h4>{prose}")
    head = f"<b>{verb.upper()}</b> <code>{escape(path)}</code> {escape(operation['summary'])}"
    return f'<details id="{escape(operation["operationId"])}"><summary>{head}</summary>{"".join(parts)}</details>'


def _type(name: str, schema: Schema) -> str:
    return f'<h3 id="{escape(name)}">{escape(name)}</h3>{_prose(schema.get("description", ""))}{_object(schema)}'


def _object(schema: Schema) -> str:
    """Write the fields of an object, and which of them exclude each other."""
    required = schema.get("required", ())
    rows = (_row(name, part, name in required) for name, part in schema.get("properties", {}).items())
    return "".join(_choice(choice) for choice in schema.get("allOf", ())) + _table(rows)


def _choice(choice: Schema) -> str:
    given = [one["required"][0] for one in choice["oneOf"] if "required" in one]
    must = len(given) == len(choice["oneOf"])
    names = ", ".join(f"<code>{escape(name)}</code>" for name in given)
    return f"<p>{'Exactly' if must else 'At most'} one of: {names}.</p>"


def _table(rows: Iterable[str]) -> str:
    body = "".join(rows)
    return f"<table><tr><th>Name<th>Type<th>Constraints<th>Description{body}</table>" if body else ""


def _parameter(parameter: Part) -> str:
    schema = {"description": parameter.get("description", ""), **parameter["schema"]}
    return _row(parameter["name"], schema, parameter.get("required", False), f" ({parameter['in']})")


def _row(name: str, schema: Schema, required: bool, where: str = "") -> str:  # noqa: FBT001 (private)
    constraints = [*(["required"] if required else []), *_constraints(schema)]
    return (
        f"<tr><td><code>{escape(name)}</code>{escape(where)}<td>{_kind(schema)}"
        f"<td>{'<br>'.join(constraints)}<td>{_prose(schema.get('description', ''))}"
    )


def _constraints(schema: Schema) -> Iterator[str]:
    for word, value in schema.items():
        if word not in SHOWN:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield escape(word) if value is True else f"{escape(word)}: <code>{escape(text)}</code>"
    if "items" in schema:
        yield from (f"each {one}" for one in _constraints(schema["items"]))


def _kind(schema: Schema) -> str:
    """Name the type of a value, with a link to what is told of it."""
    if "$ref" in schema:
        return _link(schema["$ref"].removeprefix(SCHEMAS))
    if "items" in schema:
        return f"array of {_kind(schema['items'])}"
    if "additionalProperties" in schema:
        return f"map of {_kind(schema['additionalProperties'])}"
    return escape(" ".join(filter(None, (schema.get("type", ""), schema.get("format", "")))))


def _link(name: str) -> str:
    return f'<a href="#{escape(name)}">{escape(name)}</a>'


def _resolved(document: Part, part: Part) -> Part:
    """Answer what a reference stands for; anything else as it is."""
    found = REFERENCE.fullmatch(part.get("$ref", ""))
    resolved: Any = document["components"][found["kind"]][found["name"]] if found else part
    return resolved  # type: ignore[no-any-return]


def _prose(text: str) -> str:
    """Write text with paragraphs, `code` and lists of one level as HTML."""
    return "".join(_paragraph(paragraph) for paragraph in text.strip().split("\n\n") if paragraph)


def _paragraph(paragraph: str) -> str:
    written = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(paragraph))
    first, *items = re.split(r"(?:^|\n)- ", written)
    listed = "".join(f"<li>{item}" for item in items)
    return (f"<p>{first}</p>" if first else "") + (f"<ul>{listed}</ul>" if listed else "")
