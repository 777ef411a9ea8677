"""The page that documents the API and tries it out, for a local run: Swagger UI, from its package, not the network."""

import json
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import flask_swagger_ui  # type: ignore[import-untyped]  # only its files are used, which are Swagger UI's own
from werkzeug.middleware.shared_data import SharedDataMiddleware
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from tests.support.template import ROOT

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

PATH = "/docs"
_HEADERS = {
    "Cache-Control": "no-store",  # the next server has another key
    # No network, and no scripts but these.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
}
_HERE = Path(__file__).parent
_FILES = {"docs.css": "text/css", "docs.js": "text/javascript", "snippets.js": "text/javascript"}
_SWAGGER_UI = Path(flask_swagger_ui.__file__).parent / "dist"


def with_docs(api: "WSGIApplication", key: str) -> "WSGIApplication":
    """Serve the page beside the API.

    Parameters
    ----------
    api : WSGIApplication
        Responds to all other paths.
    key : str
        API key that the page fills in.

    Returns
    -------
    WSGIApplication
        Both.
    """
    page = Template((_HERE / "docs.html").read_text("utf-8")).substitute(key=key)
    document = json.loads((ROOT / "tests/contract/openapi/openapi.json").read_text("utf-8"))
    document["servers"] = [{"url": "/"}]  # the page calls this one only
    pages: dict[str, WSGIApplication] = {
        "/": redirect(PATH),
        PATH: _response(page, "text/html"),
        "/openapi.json": _response(json.dumps(document), "application/json"),
        **{f"{PATH}/{name}": _response((_HERE / name).read_text("utf-8"), kind) for name, kind in _FILES.items()},
    }

    @Request.application
    def application(request: Request) -> "WSGIApplication":
        if request.path not in pages or request.method not in {"GET", "HEAD"}:
            return api
        # The page holds a key: a name that leads here from a foreign page must not get it.
        is_here = request.host.partition(":")[0] in {"127.0.0.1", "localhost"}
        return pages[request.path] if is_here else Response("Open this page as http://127.0.0.1", 403)

    return SharedDataMiddleware(application, {f"{PATH}/ui": str(_SWAGGER_UI)})


def _response(text: str, media_type: str) -> Response:
    return Response(text, headers=_HEADERS, mimetype=media_type)
