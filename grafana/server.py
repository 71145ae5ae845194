"""Somebody's Grafana, asked over HTTP, and one sentence for whatever keeps it from answering."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from json import JSONDecodeError
from typing import Any
from urllib.parse import urlsplit

Api = Any
"""grafana-client's GrafanaApi: an optional package, imported only where a Grafana is asked."""

TIMEOUT_SEC = 20.0
_OLDEST = 13


class GrafanaRefused(Exception):
    """One sentence for the user: what is wrong with the Grafana, the address or the token, and what to do."""


@contextmanager
def open_grafana(url: str, token: str) -> Iterator[Api]:
    """The API of the Grafana at `url`, http or https. GrafanaRefused where it is none, is too old, or a call fails."""
    if find_spec("grafana_client") is None:
        raise GrafanaRefused(
            "This needs the package grafana-client: install it with `pip install 'nokchart[grafana]'`."
        )
    from grafana_client import GrafanaApi
    from grafana_client.client import TokenAuth

    parts = urlsplit(url)
    api = GrafanaApi(
        auth=TokenAuth(token),
        # an IPv6 address goes into a URL again
        host=f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname,
        port=parts.port,
        url_path_prefix=f"{parts.path.strip('/')}/" if parts.path.strip("/") else "",
        protocol=parts.scheme,
        timeout=TIMEOUT_SEC,
    )
    # A redirect is a login page or another address; the token is for this one.
    api.client.s.max_redirects = 0
    try:
        _require_grafana(api, url)
        yield api
    except GrafanaRefused:
        raise
    except Exception as error:
        sentence = _sentence_of(error, url, token)
        if sentence is None:
            raise
        raise GrafanaRefused(sentence) from error
    finally:
        api.client.s.close()


def found(call: Any, *arguments: Any) -> dict[str, Any] | None:
    """What a call of the API answers: an object, or None where there is no such thing (404)."""
    from grafana_client.client import GrafanaClientError

    try:
        answer = call(*arguments)
    except GrafanaClientError as error:
        if error.status_code != 404:
            raise
        return None
    return as_object(answer)


def as_object(answer: Any) -> dict[str, Any]:
    """The answer, if it is a JSON object; GrafanaRefused for a web page and the like."""
    if not isinstance(answer, dict):
        raise GrafanaRefused("Grafana's answer is none of its API's: look whether a proxy or a login stands before it.")
    return answer


def words_of(error: Any, token: str = "") -> str:
    """What Grafana says of an error: one short line, made of printable characters, without the token."""
    response = error.response
    message = response.get("message") if isinstance(response, dict) else None
    text = " ".join(str(message or "no reason given").split())
    text = "".join(character for character in text if character.isprintable())
    return (text.replace(token, "***") if token else text)[:200].rstrip(".")


def _require_grafana(api: Api, url: str) -> None:
    health = found(api.client.GET, "/health")
    if health is None or "database" not in health:
        raise GrafanaRefused(f"{url} is no Grafana: write the address of its first page as grafana_url.")
    version = str(health.get("version", ""))  # may be hidden
    major = version.partition(".")[0]
    if major.isdecimal() and int(major) < _OLDEST:
        raise GrafanaRefused(
            f"{url} is Grafana {version[:20]}, and the dashboards need Grafana {_OLDEST} or newer: update it."
        )


def _sentence_of(error: Exception, url: str, token: str) -> str | None:
    """None for what is no answer of a server and no failure to reach one: a mistake of ours."""
    from grafana_client.client import GrafanaException, GrafanaTimeoutError
    from niquests import exceptions

    match error:
        case GrafanaTimeoutError() | exceptions.Timeout():
            return f"{url} does not answer within {TIMEOUT_SEC:g} seconds: check grafana_url, or try again later."
        case exceptions.TooManyRedirects():
            return f"{url} leads to another address or to a login page: write that of Grafana itself, https included."
        case exceptions.SSLError():
            return (
                f"There is no TLS connection to {url} that this machine trusts: write the name its certificate is for "
                "(http:// where there is none), or give the file of its authority in REQUESTS_CA_BUNDLE."
            )
        case GrafanaException(status_code=status):
            return _refusal(int(status), words_of(error, token), url)
        case JSONDecodeError():
            return f"{url} does not answer as Grafana does: look whether a proxy or a login stands before it."
        case exceptions.RequestException():
            return f"{url} cannot be reached: check grafana_url, and whether Grafana is running there."
        case _:
            return None


def _refusal(status: int, words: str, url: str) -> str:
    match status:
        case 401:
            return (
                f"{url} does not accept the token: make one for a service account (Administration, Users and access), "
                "and give it as NOKCHART_GRAFANA_TOKEN."
            )
        case 403:
            return f"The token may not do this ({words}): it needs the role Editor, and Admin for a data source."
        case 412:
            return "Somebody changed it in Grafana at this moment: look at it with --diff, then push again."
        case 404:
            return f"{url} does not have what was asked for ({words}): it may be deleted by now, so try again."
        case _ if status >= 500:
            return f"{url} has a problem of its own (status {status}): look into its log, and try again."
        case _:
            return f"{url} refuses (status {status}: {words})."
