"""The web page as a browser takes it apart."""

from html.parser import HTMLParser
from http import HTTPStatus
from urllib.parse import urljoin

import httpx


class Page(HTMLParser):
    """The elements, links and rows of a page."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.links: dict[str, str] = {}
        self.stylesheets: list[str] = []
        self.names: list[str] = []
        self._href: str | None = None
        self._is_name = False
        self.url = str(response.url)
        self.feed(response.text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        fields = dict(attributes)
        assert len(fields) == len(attributes), attributes
        self.elements.add(tag)
        self.attributes |= fields.keys()
        if tag == "a":
            self._href = urljoin(self.url, fields["href"])
            self.links[self._href] = fields.get("rel") or ""
        if tag == "link":
            self.stylesheets.append(urljoin(self.url, fields["href"]))
        if tag == "td":
            self._is_name = fields.get("class") == "name"
            if self._is_name:
                self.names.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self._is_name = False

    def handle_data(self, data: str) -> None:
        if self._is_name:
            self.names[-1] += data


def page_at(url: str) -> Page:
    response = httpx.get(url)
    assert response.status_code == HTTPStatus.OK
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    return Page(response)
