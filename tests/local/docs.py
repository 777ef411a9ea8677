"""The page that documents the API and tries it out, for a local run: Swagger UI, from its package, not the network."""

from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import flask_swagger_ui  # type: ignore[import-untyped]  # only its files are used, which are Swagger UI's own
from werkzeug.middleware.shared_data import SharedDataMiddleware
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from tests.local.template import ROOT

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

PATH = "/docs"
_SWAGGER_UI = Path(flask_swagger_ui.__file__).parent / "dist"


def with_docs(api: "WSGIApplication", key: str) -> "WSGIApplication":
    """Serve the page beside the API.

    Parameters
    ----------
    api : WSGIApplication
        What answers all other paths.
    key : str
        API key that the page fills in.

    Returns
    -------
    WSGIApplication
        Both.
    """
    page = Template((Path(__file__).parent / "docs.html").read_text("utf-8")).substitute(key=key)
    pages: dict[str, WSGIApplication] = {
        "/": redirect(PATH),
        PATH: Response(page, content_type="text/html; charset=utf-8"),
        "/openapi.json": Response((ROOT / "tests/contract/openapi.json").read_bytes(), content_type="application/json"),
    }

    @Request.application
    def application(request: Request) -> "WSGIApplication":
        is_page = request.path in pages and request.method in {"GET", "HEAD"}
        return pages[request.path] if is_page else api

    return SharedDataMiddleware(application, {f"{PATH}/ui": str(_SWAGGER_UI)})
