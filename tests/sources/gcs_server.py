"""What Google documents of Cloud Storage's XML API, as far as archives are built with it, on a free loopback port.

There is no emulator of it to be had. Objects, multipart uploads, ranges, conditions and signed URLs are here as in the
reference (XML API; "Canonical requests"; "Signatures"; "XML API multipart uploads"), and OAuth 2.0 for service accounts
as in RFC 7523. What is not documented is an error, so that nobody relies on it.
"""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import md5, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote
from uuid import uuid4
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

EMAIL = "builder@project.iam.gserviceaccount.com"
LEAST_PART = 5 << 20
_LISTED_AT_ONCE = 1_000
_MOST_PARTS = 10_000
_TOKEN_SECONDS = 3_600
_HEADERS = {"accept-encoding", "authorization", "connection", "content-length", "content-md5", "content-type", "expect"}
_HEADERS |= {"host", "if-match", "range", "user-agent", "date", "accept"}
_OF_CLIENTS = ("amz-sdk-", "x-goog-meta-")


@dataclass
class Stored:
    """An object."""

    data: bytes
    headers: dict[str, str]
    etag: str = field(default_factory=lambda: f'"{uuid4().hex}"')


@dataclass
class Begun:
    """A multipart upload."""

    bucket: str
    key: str
    headers: dict[str, str]
    parts: dict[int, Stored] = field(default_factory=dict)


class Refused(Exception):
    """What is answered with an error."""

    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code
        super().__init__(code)


class GcsServer:
    """Buckets that need not be made, and one service account that may do everything."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Stored] = {}
        self.uploads: dict[str, Begun] = {}
        self.tokens: dict[str, float] = {}
        self.requests: list[str] = []
        self.lock = threading.RLock()
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        server = self

        class Handler(_Handler):
            owner = server

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def config(self) -> dict[str, Any]:
        """What `Connections` need for its buckets."""
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        account = {
            "type": "service_account",
            "client_email": EMAIL,
            "private_key": pem,
            "private_key_id": "1",
            "token_uri": f"http://{self.host}/token",
            "gcs_base_url": f"http://{self.host}",
        }
        return {"service_account_key": json.dumps(account)}

    def is_signed(self, data: bytes, signature: bytes) -> bool:
        """Whether the account has signed this."""
        try:
            self._key.public_key().verify(signature, data, padding.PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True

    def new_token(self, assertion: str) -> str:
        """A token for who has the account's key."""
        signed, _, signature = assertion.rpartition(".")
        claims = json.loads(_unbase64url(signed.partition(".")[2]))
        if not self.is_signed(signed.encode(), _unbase64url(signature)) or claims["iss"] != EMAIL:
            raise Refused(400, "invalid_grant")
        if "devstorage" not in claims["scope"]:
            raise Refused(400, "invalid_scope")
        token = uuid4().hex
        self.tokens[token] = time.time() + _TOKEN_SECONDS
        return token

    @contextmanager
    def running(self) -> Iterator["GcsServer"]:
        """Answer while the block runs."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    owner: GcsServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def _do(self) -> None:
        path, _, query = self.path.partition("?")
        self._query = dict(parse_qsl(query, keep_blank_values=True))
        self._bucket, _, key = path[1:].partition("/")
        self._key = unquote(key)
        self._body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.owner.requests.append(f"{self.command} {path}")
        try:
            if path == "/token":
                form = dict(parse_qsl(self._body.decode()))
                token = self.owner.new_token(form["assertion"])
                told = {"access_token": token, "expires_in": _TOKEN_SECONDS, "token_type": "Bearer"}
                self._answer(200, json.dumps(told).encode(), {"content-type": "application/json"})
                return
            self._check_authority(path)
            unknown = [
                name.lower()
                for name in self.headers
                if name.lower() not in _HEADERS and not name.lower().startswith(_OF_CLIENTS)
            ]
            if unknown:
                raise Refused(400, f"InvalidArgument-{unknown[0]}")
            with self.owner.lock:
                self._act()
        except Refused as error:
            body = f"<?xml version='1.0'?><Error><Code>{error.code}</Code><Message>refused</Message></Error>"
            self._answer(error.status, body.encode(), {"content-type": "application/xml"})

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _do  # noqa: N815 - as the base class calls them

    def _check_authority(self, path: str) -> None:
        if "X-Goog-Signature" not in self._query:
            kind, _, token = self.headers.get("authorization", "").partition(" ")
            if kind != "Bearer" or self.owner.tokens.get(token, 0) < time.time():
                raise Refused(401, "AuthenticationRequired")
            return
        shown = {name: value for name, value in self._query.items() if name != "X-Goog-Signature"}
        canonical = "&".join(
            f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(shown.items())
        )
        email, _, scope = shown["X-Goog-Credential"].partition("/")
        begun = shown["X-Goog-Date"]
        signature = bytes.fromhex(self._query["X-Goog-Signature"])
        request = f"{self.command}\n{path}\n{canonical}\nhost:{self.headers['host']}\n\nhost\nUNSIGNED-PAYLOAD"
        signed = f"GOOG4-RSA-SHA256\n{begun}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        is_right = (
            shown["X-Goog-Algorithm"] == "GOOG4-RSA-SHA256"
            and shown["X-Goog-SignedHeaders"] == "host"
            and email == EMAIL
            and scope == f"{begun[:8]}/auto/storage/goog4_request"
            and int(shown["X-Goog-Expires"]) <= 604_800
        )
        if not is_right or not self.owner.is_signed(signed.encode(), signature):
            raise Refused(403, "SignatureDoesNotMatch")

    def _act(self) -> None:
        match self.command, "uploads" in self._query, "uploadId" in self._query:
            case "POST", True, False:
                self._begin()
            case "PUT", False, True:
                self._put()
            case "GET", False, True:
                self._list_parts()
            case "POST", False, True:
                self._complete()
            case "DELETE", False, True:
                self._upload()
                del self.owner.uploads[self._query["uploadId"]]
                self._answer(204, b"")
            case "GET", True, False if not self._key:
                self._list_uploads()
            case (("GET" | "HEAD"), False, False):
                self._read()
            case "DELETE", False, False:
                if self.owner.objects.pop((self._bucket, self._key), None) is None:
                    raise Refused(404, "NoSuchKey")
                self._answer(204, b"")
            case _:
                raise Refused(501, "NotImplemented")

    def _upload(self) -> Begun:
        upload = self.owner.uploads.get(self._query["uploadId"])
        if upload is None or (upload.bucket, upload.key) != (self._bucket, self._key):
            raise Refused(404, "NoSuchUpload")
        return upload

    def _begin(self) -> None:
        kept = {
            name.lower(): value
            for name, value in self.headers.items()
            if name.lower() == "content-type" or name.lower().startswith("x-goog-meta-")
        }
        identity = f"A{uuid4().hex}-_"
        self.owner.uploads[identity] = Begun(self._bucket, self._key, kept)
        self._tell(
            f"<InitiateMultipartUploadResult><Bucket>{self._bucket}</Bucket><Key>{escape(self._key)}</Key>"
            f"<UploadId>{identity}</UploadId></InitiateMultipartUploadResult>"
        )

    def _put(self) -> None:
        upload, number = self._upload(), int(self._query["partNumber"])
        if not 1 <= number <= _MOST_PARTS:
            raise Refused(400, "InvalidArgument")
        digest = md5(self._body).digest()
        told = self.headers.get("content-md5")
        if told is not None and base64.b64decode(told) != digest:
            raise Refused(400, "BadDigest")
        upload.parts[number] = Stored(self._body, {}, f'"{digest.hex()}"')
        self._answer(200, b"", {"etag": upload.parts[number].etag})

    def _list_parts(self) -> None:
        upload, after = self._upload(), int(self._query.get("part-number-marker") or 0)
        left = sorted(number for number in upload.parts if number > after)
        page = left[:_LISTED_AT_ONCE]
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(upload.parts[number].etag)}</ETag>"
            f"<Size>{len(upload.parts[number].data)}</Size></Part>"
            for number in page
        )
        more = f"<NextPartNumberMarker>{page[-1]}</NextPartNumberMarker>" if page else ""
        is_cut = str(len(left) > len(page)).lower()
        self._tell(f"<ListPartsResult>{more}<IsTruncated>{is_cut}</IsTruncated>{parts}</ListPartsResult>")

    def _list_uploads(self) -> None:
        prefix = self._query.get("prefix", "")
        found = sorted(
            (upload.key, identity)
            for identity, upload in self.owner.uploads.items()
            if upload.bucket == self._bucket and upload.key.startswith(prefix)
        )
        after = self._query.get("key-marker", ""), self._query.get("upload-id-marker", "")
        left = [one for one in found if one > after]
        page = left[:_LISTED_AT_ONCE]
        shown = "".join(
            f"<Upload><Key>{escape(key)}</Key><UploadId>{identity}</UploadId></Upload>" for key, identity in page
        )
        is_cut = len(left) > len(page)
        if is_cut:
            shown += f"<NextKeyMarker>{escape(page[-1][0])}</NextKeyMarker>"
            shown += f"<NextUploadIdMarker>{page[-1][1]}</NextUploadIdMarker>"
        is_cut_shown = str(is_cut).lower()
        self._tell(
            f"<ListMultipartUploadsResult><IsTruncated>{is_cut_shown}</IsTruncated>{shown}</ListMultipartUploadsResult>"
        )

    def _complete(self) -> None:
        upload = self._upload()
        asked: list[tuple[int, str]] = []
        for part in ElementTree.fromstring(self._body):
            values = {child.tag.rpartition("}")[2]: child.text or "" for child in part}
            if set(values) != {"PartNumber", "ETag"}:
                raise Refused(400, "MalformedXML")
            asked.append((int(values["PartNumber"]), values["ETag"]))
        if [number for number, _ in asked] != sorted({number for number, _ in asked}):
            raise Refused(400, "InvalidPartOrder")
        for number, etag in asked:
            if number not in upload.parts or upload.parts[number].etag.strip('"') != etag.strip('"'):
                raise Refused(400, "InvalidPart")
        if any(len(upload.parts[number].data) < LEAST_PART for number, _ in asked[:-1]):
            raise Refused(400, "EntityTooSmall")
        data = b"".join(upload.parts[number].data for number, _ in asked)
        stored = Stored(data, upload.headers)
        self.owner.objects[self._bucket, self._key] = stored
        del self.owner.uploads[self._query["uploadId"]]
        self._tell(
            f"<CompleteMultipartUploadResult><Bucket>{self._bucket}</Bucket><Key>{escape(self._key)}</Key>"
            f"<ETag>{escape(stored.etag)}</ETag></CompleteMultipartUploadResult>"
        )

    def _read(self) -> None:
        found = self.owner.objects.get((self._bucket, self._key))
        if found is None:
            raise Refused(404, "NoSuchKey")
        if self.headers.get("if-match") not in (None, found.etag):
            raise Refused(412, "PreconditionFailed")
        headers = found.headers | {"etag": found.etag, "last-modified": formatdate(usegmt=True)}
        for name in ("content-disposition", "content-type"):
            if f"response-{name}" in self._query:
                headers[name] = self._query[f"response-{name}"]
        wanted = self.headers.get("range")
        if wanted is None:
            self._answer(200, found.data, headers)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, stop = int(first), min(int(last) + 1, len(found.data))
        if start >= stop:
            raise Refused(416, "InvalidRange")
        headers["content-range"] = f"bytes {start}-{stop - 1}/{len(found.data)}"
        self._answer(206, found.data[start:stop], headers)

    def _tell(self, xml: str) -> None:
        body = f"<?xml version='1.0' encoding='UTF-8'?>{xml}".encode()
        self._answer(200, body, {"content-type": "application/xml; charset=UTF-8"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _unbase64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
