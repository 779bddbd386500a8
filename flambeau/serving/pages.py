"""The pages that a browser gets: playground and API reference. Static files, own words, nothing from elsewhere."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import orjson

from flambeau.messages import LANGUAGES, room
from flambeau.serving.exchange import Reply, Request

ROOM, PREFIX = "serving.toml", "playground-"
"""Where the words of the pages lie, and how their keys begin."""
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = ((b"content-security-policy", POLICY), (b"permissions-policy", b"camera=(self), microphone=(self), geolocation=()"))
MEDIA = {"html": b"text/html; charset=utf-8", "css": b"text/css; charset=utf-8", "js": b"text/javascript; charset=utf-8", "svg": b"image/svg+xml"}
SCRIPTS = ("playground", "base", "widgets", "image", "text", "audio", "recorder", "series", "others", "form", "answers", "code", "docs")
ASSETS = ("playground.css", "icon.svg", *(f"{name}.js" for name in SCRIPTS))
PAGES = {"/": "playground.html", "/docs": "docs.html"}
_PLACE = re.compile(r'(data-word="([a-z0-9-]+)"[^>]*>)(?=</)')


class Pages:
    """All pages and what they need. What holds words is made when the first browser comes: a service may never see one."""

    def __init__(self) -> None:
        self.assets = {f"/{name}": Reply(_read(name), media=MEDIA[name.rpartition(".")[2]]) for name in ASSETS}

    def page(self, request: Request) -> Reply:
        """The page at the request's path, in the language that the browser asks for first."""
        wanted = request.header(b"accept-language")[:2].lower().decode("latin-1")
        return self._pages[request.path, wanted if wanted in LANGUAGES else "en"]

    def words(self, _: Request) -> Reply:
        """All words of the pages, by language and key."""
        return Reply(orjson.dumps(self._words))

    @cached_property
    def _words(self) -> dict[str, dict[str, str]]:
        texts = {language: room(language, ROOM) for language in LANGUAGES}
        return {lang: {key.removeprefix(PREFIX): parts["what"] for key, parts in texts[lang].items() if key.startswith(PREFIX)} for lang in texts}

    @cached_property
    def _pages(self) -> dict[tuple[str, str], Reply]:
        return {(path, language): _page(name, language, self._words[language]) for path, name in PAGES.items() for language in LANGUAGES}


def _page(name: str, language: str, words: Mapping[str, str]) -> Reply:
    """A page with the words of one language put in, so that it is readable before its script has run."""
    text = _read(name).decode("utf-8").replace('lang="en"', f'lang="{language}"', 1)
    text = _PLACE.sub(lambda match: match[1] + html.escape(words[match[2]]), text)
    return Reply(text.encode(), media=MEDIA["html"], headers=PAGE_HEADERS, is_page=True)


def _read(name: str) -> bytes:
    return Path(__file__).with_name("playground").joinpath(name).read_bytes()
