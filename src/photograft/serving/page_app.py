"""The page of `serve` in a web application: one HTML file, its scripts and style sheets, nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI, Response
from starlette.exceptions import HTTPException

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: itself, and photos that were chosen in it (`blob:`), which stay in the browser."""

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def add_page(app: FastAPI, *, cookie: str | None = None) -> None:
    """Add `/` and `/assets/...` to an application; `cookie` is a `Set-Cookie` header that comes with the page."""
    html = files("photograft.serving").joinpath("page", "index.html").read_bytes()
    assets = _read_assets()
    headers = {"content-security-policy": PAGE_POLICY} | ({} if cookie is None else {"set-cookie": cookie})

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        return Response(html, media_type="text/html", headers=headers)

    @app.get("/assets/{name}", include_in_schema=False)
    def asset(name: str) -> Response:
        if name not in assets:
            raise HTTPException(404)
        return Response(assets[name], media_type=_TYPES[name[name.rindex(".") :]])


def _read_assets() -> dict[str, bytes]:
    """Every file of the page but the HTML by its name, with those that all pages share."""
    folders = (files("photograft").joinpath("pages"), files("photograft.serving").joinpath("page"))
    every = [each for folder in folders for each in folder.iterdir() if each.name.endswith(tuple(_TYPES))]
    return {each.name: each.read_bytes() for each in every}
