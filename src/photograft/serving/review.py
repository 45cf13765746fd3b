"""`review`: serve the page of a run's doubtful labels to the browser of this machine."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from photograft.errors import MissingExtraError, PhotograftError
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.neighbours import open_neighbours
from photograft.workflow.review import Review, open_review
from photograft.workflow.review_photos import PhotoPictures

if TYPE_CHECKING:
    from photograft.serving.review_app import Session


def review(
    run: str | os.PathLike[str],
    *,
    edits: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    port: int = 0,
    browser: bool = True,
    narrator: Narrator | None = None,
    opened: Callable[[str], None] | None = None,
) -> Review:
    """Serve the review page of a finished run until Ctrl-C, SIGTERM or the page ends it; gives what was reviewed.

    Args:
        run: The folder of the run.
        edits: The journal for decisions; see `photograft.workflow.review.open_review`.
        limit: How many photos to look at.
        port: The port on 127.0.0.1; 0 takes one that is free.
        browser: Whether to open the page in the user's browser.
        narrator: Who is told what happens.
        opened: Called with the address, token included, once the page can be opened.

    Raises:
        MissingExtraError: FastAPI or uvicorn is not installed.
        ConfigError, DataError, ModelError: as `open_review`; ConfigError also where the port is taken.
    """
    for module in ("fastapi", "uvicorn"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError("The review page", "serve")
    from photograft.serving.guard import Secrets
    from photograft.serving.review_app import Session, make_app
    from photograft.serving.server import HOST, bind, serve

    narrator = narrator or Silent()
    reviewed = open_review(run, edits=edits, limit=limit)
    with bind(port) as bound, PhotoPictures(reviewed.manifest.root, reviewed.config) as pictures:
        secrets, taken = Secrets(), int(bound.getsockname()[1])
        session = Session(reviewed, pictures, narrator.say)
        app = make_app(session, secrets, port=taken)
        page = f"http://{HOST}:{taken}/?token="

        def started() -> None:
            threading.Thread(target=_prepare, args=(session, Path(run)), daemon=True).start()
            if opened is not None:
                opened(page + secrets.token)
            if browser:
                threading.Thread(target=_open_browser, args=(page + secrets.once,), daemon=True).start()

        serve(app, bound, started=started, ended=session.ended)
    return reviewed


def _prepare(session: Session, run: Path) -> None:
    """Start a decoder with the first photo, then make photos known that are alike.

    The page works without those until then, and where they cannot be had.
    """
    session.warm()
    try:
        session.neighbours = open_neighbours(run)
    except (PhotograftError, OSError) as error:
        session.neighbours_failed = True
        session.say(f"No similar photos are shown: {error}")


def _open_browser(address: str) -> None:
    with contextlib.suppress(webbrowser.Error, OSError):
        webbrowser.open(address)
