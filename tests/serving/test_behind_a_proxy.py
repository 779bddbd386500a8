"""The pages behind a proxy that takes a prefix off the path: all that they ask for lies beside them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

PREFIX = "/m"
REFERENCE = re.compile(r'(?:(?:src|href)=| from |(?<![.\w])get\(|fetch\(|addModule\()"(?!node:)([^"]+)"')
"""What a page or a script has the browser ask for."""


class Proxy(BaseHTTPRequestHandler):
    """/m/x -> /x of the server; anything else is not ours."""

    protocol_version = "HTTP/1.1"
    server_address: str

    def do_GET(self) -> None:
        path = self.path.removeprefix(PREFIX)
        if path == self.path or not path.startswith("/"):
            self._answer(httpx.Response(404, html="<p>elsewhere</p>"))
            return
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = [(name, value) for name, value in self.headers.items() if name.lower() not in ("connection", "host", "accept-encoding")]
        self._answer(httpx.request(self.command, self.server_address + path, content=body, headers=headers, timeout=20))

    def do_POST(self) -> None:
        self.do_GET()

    def _answer(self, answer: httpx.Response) -> None:
        self.send_response(answer.status_code)
        for name, value in {**answer.headers, "content-length": str(len(answer.content))}.items():
            if name not in ("connection", "date"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *words: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def behind(address: str) -> Iterator[str]:
    """The server's address behind a proxy, with the prefix and a slash."""
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), type("ToServer", (Proxy,), {"server_address": address}))
    thread = threading.Thread(target=proxy.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{proxy.server_port}{PREFIX}/"
    proxy.shutdown()
    thread.join()
    proxy.server_close()


@pytest.mark.parametrize("page", ["", "docs"])
def test_all_that_a_page_names_is_there(behind: str, page: str) -> None:
    begin = urljoin(behind, page)
    found, seen = [begin], set()
    while found:
        url = found.pop()
        if url in seen or url.endswith("/predict?preview=1"):  # which takes no GET
            continue
        seen.add(url)
        answer = httpx.get(url)
        assert answer.status_code == 200, url
        is_page = answer.headers["content-type"].startswith("text/html")
        if is_page or "javascript" in answer.headers["content-type"]:
            # a module is looked for beside its importer, all else beside the page
            found += [urljoin(url if name.startswith("./") else begin, name) for name in REFERENCE.findall(answer.text)]
    assert all(url.startswith(behind) for url in seen)
    assert {urlsplit(url).path.rpartition("/")[2] for url in seen} >= {"playground.css", "icon.svg", "base.js", "code.js", "model"}
    assert len(seen) > 8


def test_the_description_says_where_the_server_is(behind: str, pictures: list[bytes]) -> None:
    """A server's address is relative to the document, and a path is put behind it (OpenAPI 3.1, Server Object)."""
    where = urljoin(behind, "openapi.json")
    api = httpx.get(where).json()
    [server] = api["servers"]
    url = urljoin(where, server["url"]).rstrip("/")
    assert httpx.post(url + "/predict", content=pictures[0], headers={"content-type": "image/png"}).status_code == 200
    assert all(path.startswith("/") for path in api["paths"])


@pytest.mark.browser
def test_the_playground_works_behind_it(open_page, behind: str, pictures: list[bytes], expected: list[str], tmp_path) -> None:
    page = open_page(behind)
    (tmp_path / "seven.png").write_bytes(pictures[7])
    page.set_input_files("#choose", tmp_path / "seven.png")
    page.locator(".card .code").wait_for()
    assert page.locator(".card h3").text_content() == expected[7]
    page.locator("summary").click()
    assert f"curl {behind}predict " in page.locator("pre").text_content()
    page.locator("nav a").first.click()
    page.locator(".way").first.wait_for()
    assert page.url == f"{behind}docs"
    assert f"curl {behind}predict " in page.locator("#ways").text_content()
    page.locator("a.brand").click()
    page.locator("#choose").wait_for(state="attached")
    assert page.url == behind
    assert page.said == []
    assert all(url.startswith(behind) for url in page.asked if not url.startswith(("blob:", "data:")))


@pytest.mark.browser
def test_a_page_of_another_site_does_not_reach_the_model(browser, address: str, behind: str, pictures: list[bytes]) -> None:
    """localhost is another site than 127.0.0.1; a browser tells where a request comes from to what it trusts: https and this machine."""
    page = browser.new_page()
    page.goto(urljoin(behind.replace("127.0.0.1", "localhost"), "/elsewhere"))  # a page of the proxy's own, which may ask whom it likes
    send = """async ([url, bytes]) => {
        const form = new FormData();
        form.append("file", new Blob([new Uint8Array(bytes)], { type: "image/png" }), "a.png");
        await fetch(url, { method: "POST", mode: "no-cors", body: form }).catch(() => {});
    }"""
    count = 'flambeau_requests_total{route="/predict",status="403"}'
    assert count not in httpx.get(f"{address}/metrics").text
    page.evaluate(send, [f"{address}/predict", list(pictures[0])])
    page.close()
    assert f"{count} 1.0" in httpx.get(f"{address}/metrics").text
