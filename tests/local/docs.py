"""The page that documents the API and tries it out, for a local run: Swagger UI, from its package, not the network."""

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
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline'; img-src 'self' data:",  # no network
}
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
    page = Template((Path(__file__).parent / "docs.html").read_text("utf-8")).substitute(key=key)
    document = (ROOT / "tests/contract/openapi/openapi.json").read_bytes()
    pages: dict[str, WSGIApplication] = {
        "/": redirect(PATH),
        PATH: Response(page, headers=_HEADERS, content_type="text/html; charset=utf-8"),
        "/openapi.json": Response(document, headers=_HEADERS, content_type="application/json"),
    }

    @Request.application
    def application(request: Request) -> "WSGIApplication":
        if request.path not in pages or request.method not in {"GET", "HEAD"}:
            return api
        # The page holds a key: a name that leads here from a foreign page must not get it.
        is_here = request.host.partition(":")[0] in {"127.0.0.1", "localhost"}
        return pages[request.path] if is_here else Response("Open this page as http://127.0.0.1", 403)

    return SharedDataMiddleware(application, {f"{PATH}/ui": str(_SWAGGER_UI)})
