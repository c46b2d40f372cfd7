"""A page about the API for people, made of nothing but itself: it opens without the internet."""

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
article { border: 1px solid #ddd; border-radius: .4rem; padding: 0 1rem 1rem; margin: 1rem 0; }
table { border-collapse: collapse; width: 100%; } code { background: #f3f3f3; padding: .1rem .25rem; }
td, th { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-top: 1px solid #eee; }
"""


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """The OpenAPI description as a page."""
    return HTMLResponse(page(request.app.openapi()), headers=_HEADERS)


def page(openapi: dict[str, Any]) -> str:
    """An OpenAPI description as HTML: what can be asked, with what, what is answered."""
    info = openapi["info"]
    operations = [
        _operation(method, path, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    models = [_model(name, schema) for name, schema in openapi.get("components", {}).get("schemas", {}).items()]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f"<p>{_prose(info.get('description', ''))}</p>"
        '<p>For programs: <a href="openapi.json">openapi.json</a></p>'
        f"<h2>Questions</h2>{''.join(operations)}<h2>Answers</h2>{''.join(models)}</body></html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = [
        (given["name"], _prose(given.get("description", "")), given["in"]) for given in operation.get("parameters", [])
    ]
    responses = [
        (status, _prose(response.get("description", "")), escape(_answer(response)))
        for status, response in operation["responses"].items()
    ]
    return (
        f"<article><h3><code>{escape(method.upper())} {escape(path)}</code></h3>"
        f"<p><b>{escape(operation.get('summary', ''))}.</b> {_prose(operation.get('description', ''))}</p>"
        f"{_table(parameters)}{_table(responses)}</article>"
    )


def _model(name: str, schema: dict[str, Any]) -> str:
    fields = [
        (field, _prose(about.get("description", "")), escape(_kind(about)))
        for field, about in schema.get("properties", {}).items()
    ]
    return f"<article><h3>{escape(name)}</h3><p>{_prose(schema.get('description', ''))}</p>{_table(fields)}</article>"


def _answer(response: dict[str, Any]) -> str:
    return _kind(response.get("content", {}).get("application/json", {}).get("schema", {}))


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_kind(choice) for choice in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return str(schema.get("format", schema.get("type", "")))


def _table(rows: list[tuple[str, str, str]]) -> str:
    lines = [f"<tr><th>{escape(name)}</th><td>{about}</td><td>{kind}</td></tr>" for name, about, kind in rows]
    return f"<table>{''.join(lines)}</table>" if rows else ""


def _prose(text: str) -> str:
    """Escaped, with what stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
