"""Which URLs may be named as webhooks, and how what is sent to them is signed."""

import base64
import json
import time
from typing import Any

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError

from bigzip.errors import InputError
from bigzip.jobs.webhooks import MAX_URL, WebhookSettings
from bigzip.server.config import Configuration, read_configuration, settings_of, shown_configuration

ALLOW = ("https://hooks.example.org/in", "https://other.example.org:8443/")


def secret(number: int, size: int = 32) -> str:
    return "whsec_" + base64.b64encode(bytes([number]) * size).decode("ascii")


def settings(**options: Any) -> WebhookSettings:
    told: dict[str, Any] = {"allow": ALLOW, "secrets": [secret(1)]}
    return WebhookSettings.of(**(told | options))


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://hooks.example.org/in/a?key=1", "https://hooks.example.org/in/a?key=1"),
        ("https://HOOKS.example.org:443/in/", "https://hooks.example.org/in/"),
        ("https://other.example.org:8443", "https://other.example.org:8443/"),
        ("https://hooks.example.org/in/a#part", "https://hooks.example.org/in/a"),
    ],
)
def test_url_is_kept_as_it_is_sent_to(url: str, kept: str) -> None:
    assert settings().checked(url) == kept


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org/inside",
        "https://hooks.example.org/",
        "http://hooks.example.org/in/",
        "https://hooks.example.org:8443/in/",
        "https://hooks.example.org/in/../out",
        "https://hooks.example.org/in/%2E%2e/out",
        "https://hooks.example.org/in/..%2Fout",
        "https://hooks.example.org.evil.example/in/",
        "https://hooks.example.org@evil.example/in/",
        "https://user:password@hooks.example.org/in/",
        "https://other.example.org/",
        "ftp://hooks.example.org/in/",
        "hooks.example.org/in/",
        "https://hooks.example.org/in/\r\nHost: evil.example",
        "https://hooks.example.org/in/ä",
        "https://[::1",
        "",
    ],
)
def test_url_that_is_not_allowed_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="webhook: ") as refused:
        settings().checked(url)
    assert "password@" not in str(refused.value)


def test_url_may_have_so_many_characters() -> None:
    longest = f"{ALLOW[1]}{'a' * (MAX_URL - len(ALLOW[1]))}"
    assert settings().checked(longest) == longest
    with pytest.raises(InputError, match="1,001 characters"):
        settings().checked(f"{longest}a")


def test_without_secrets_there_are_no_webhooks() -> None:
    with pytest.raises(InputError, match=r"\[jobs\.webhooks\]"):
        settings(secrets=[]).checked("https://hooks.example.org/in/")


@pytest.mark.parametrize("size", [24, 64])
def test_secret_of_such_size_is_a_key(size: int) -> None:
    assert settings(secrets=[secret(1, size)]).keys


@pytest.mark.parametrize(
    "wrong", [secret(1, 23), secret(1, 65), secret(1).removeprefix("whsec_"), "whsec_ä", f"{secret(1)}!", "whsec_"]
)
def test_secret_that_is_none_is_refused_and_not_shown(wrong: str) -> None:
    with pytest.raises(InputError, match="number 2") as refused:
        settings(secrets=[secret(1), wrong])
    assert wrong == "whsec_" or wrong not in str(refused.value)


@pytest.mark.parametrize(
    "prefix", ["hooks.example.org", "s3://bucket/", "https://a.example/?b", "https://u:p@a.example/"]
)
def test_prefix_that_is_no_url_is_refused(prefix: str) -> None:
    with pytest.raises(InputError, match=r"jobs\.webhooks\.allow"):
        settings(allow=[prefix])


def test_each_key_verifies_what_was_signed_while_keys_change() -> None:
    old, new, other = secret(1), secret(2), secret(3)
    body = '{"type":"job.done"}'
    headers = dict(settings(secrets=[new, old]).headers("event", time.time(), body))
    for known in (old, new):
        assert Webhook(known).verify(body, headers) == json.loads(body)
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(body, dict(settings(secrets=[new]).headers("event", time.time(), body)))
    for changed in ({"webhook-id": "another"}, {"webhook-timestamp": str(int(time.time()) + 1)}):
        with pytest.raises(WebhookVerificationError):
            Webhook(new).verify(body, headers | changed)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(body + " ", headers)


def test_signature_is_that_of_the_specification() -> None:
    """The example of Standard Webhooks 1.0.0, signature scheme."""
    key, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", '{"test": 2432232314}'
    headers = settings(secrets=[key]).headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330.9, body)
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_configuration_leads_to_settings_and_shows_no_secret(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bigzip.toml"
    path.write_text(
        f'database = "{tmp_path}/a.sqlite"\n[jobs.webhooks]\nallow = ["https://hooks.example.org/"]\n'
        f'networks = ["10.0.0.0/8"]\nsecrets = ["{secret(1)}"]\n'
    )
    monkeypatch.delenv("BIGZIP_DATABASE")
    configuration = read_configuration(str(path), {})
    webhooks = settings_of(configuration, [str(tmp_path)]).jobs.webhooks
    assert webhooks.allowed == ("https://hooks.example.org/",)
    for text in (shown_configuration(configuration), repr(configuration), repr(webhooks), str(webhooks)):
        assert secret(1)[6:] not in text
        assert "Webhook object" not in text
    again = Configuration(**configuration.model_dump())  # as the worker of a service gets it
    assert again.jobs.webhooks.secrets == [SecretStr(secret(1))]


def test_variable_has_the_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIGZIP_JOBS__WEBHOOKS__SECRETS", json.dumps([secret(2), secret(1)]))
    assert read_configuration(None, {}).jobs.webhooks.secrets == [SecretStr(secret(2)), SecretStr(secret(1))]


@pytest.mark.parametrize("wrong", [f'"{secret(1)}"', f"[{1234567}]", f'{{ a = "{secret(1)}" }}'])
def test_secrets_of_a_wrong_form_are_not_shown(wrong: str, tmp_path: Any) -> None:
    path = tmp_path / "bigzip.toml"
    path.write_text(f"[jobs.webhooks]\nsecrets = {wrong}\n")
    with pytest.raises(InputError, match="secrets") as refused:
        read_configuration(str(path), {})
    assert secret(1)[6:] not in str(refused.value)
    assert "1234567" not in str(refused.value)
