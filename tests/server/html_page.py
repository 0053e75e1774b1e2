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
        self.modules: list[str] = []
        self.names: list[str] = []
        self.inputs: list[dict[str, str | None]] = []
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
        is_link = tag == "a" and "href" in fields  # in a template, a link gets its target from a script
        if is_link and not (fields["href"] or "").startswith("#"):
            self._href = urljoin(self.url, fields["href"])
            self.links[self._href] = fields.get("rel") or ""
        if tag == "link" and fields["rel"] == "stylesheet":
            self.stylesheets.append(urljoin(self.url, fields["href"]))
        if tag == "script" or fields.get("rel") == "modulepreload":
            self.modules.append(urljoin(self.url, fields.get("src") or fields.get("href")))
        if tag == "input":
            self.inputs.append(fields)
        if tag == "td":
            self._is_name = fields.get("class") == "name"
            if self._is_name:
                self.names.append("")

    @property
    def boxes(self) -> list[dict[str, str | None]]:
        """The checkboxes of the rows."""
        return [fields for fields in self.inputs if fields["type"] == "checkbox" and fields.get("id") != "tick-all"]

    @property
    def next(self) -> str | None:
        """The link to the next page."""
        return next((link for link, kind in self.links.items() if kind == "next"), None)

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
