"""What a user can set: config.yaml, environment variables, and channels.yaml."""

import os
import re
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import platformdirs
import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from store.errors import NokchartError

_CHANNEL_ID = re.compile(r"[0-9a-zA-Z_-]{1,64}")

# Chzzk tells its own clients to poll every ten seconds.
_POLITE_POLL_SEC = 10.0

_EVENTS = ("started", "ended", "peak", "stalled")


class ConfigError(NokchartError):
    """The configuration cannot be used."""


class Config(BaseModel):
    """Every setting. Each is a key of config.yaml and, as NOKCHART_<KEY>, an environment variable, which wins."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Chzzk
    chzzk_client_id: str | None = None
    chzzk_client_secret: str | None = None
    chzzk_nid_aut: str | None = None
    chzzk_nid_ses: str | None = None
    chzzk_api_url: str = "https://api.chzzk.naver.com"
    chzzk_game_api_url: str = "https://comm-api.game.naver.com"
    chzzk_openapi_url: str = "https://openapi.chzzk.naver.com"
    chzzk_chat_url: str = "wss://kr-ss{server}.chat.naver.com/chat"

    # Watching
    poll_interval_sec: Annotated[float, Field(gt=0, le=3600)] = 60
    restart_resume: bool = True
    idle_timeout_minutes: Annotated[float, Field(gt=0)] = 30
    max_retries: Annotated[int, Field(ge=0)] = 5
    backoff_factor: Annotated[float, Field(ge=1)] = 2
    spool_limit_mb: Annotated[int, Field(ge=1)] = 1024

    # Health
    metrics_port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    metrics_address: str = "127.0.0.1"

    # Analysis
    peak_window_sec: Annotated[int, Field(ge=1, le=3600)] = 60
    topk: Annotated[int, Field(ge=1, le=1000)] = 50
    min_peak_gap_sec: Annotated[int, Field(ge=0, le=86_400)] = 120
    peak_false_alarms: Annotated[float, Field(ge=0)] = 0.5
    surge_threshold: Annotated[float, Field(gt=0)] = 4.5
    surge_topk: Annotated[int, Field(ge=1, le=1000)] = 100
    surge_min_gap_sec: Annotated[int, Field(ge=1, le=86_400)] = 60
    rolling_sec: Annotated[int, Field(ge=1, le=86_400)] = 600

    # Output
    outdir: Path = Path("output")
    language: Literal["ko", "en"] = "ko"
    export_at_end: bool = True

    # Messages to people
    notify_urls: str | None = None
    notify_events: str = "started ended peak stalled"
    notify_peak_score: Annotated[float, Field(ge=0)] = 6.0
    notify_channel_minutes: Annotated[float, Field(ge=0, le=1440)] = 5.0
    notify_per_hour: Annotated[int, Field(ge=1, le=3600)] = 30

    # A Grafana that someone already has
    grafana_url: str | None = None
    grafana_token: SecretStr | None = None

    # Database
    database_url: str | None = None
    writer_password: SecretStr | None = None
    reader_password: SecretStr | None = None
    home: Path | None = None
    keep_events_days: Annotated[int, Field(ge=0)] | None = None
    keep_seconds_days: Annotated[int, Field(ge=0)] | None = None

    @field_validator("chzzk_api_url", "chzzk_game_api_url", "chzzk_openapi_url", "chzzk_chat_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https", "ws", "wss") or not parts.netloc:
            raise ValueError("write an address such as https://api.chzzk.naver.com")
        return value.rstrip("/")

    @field_validator("grafana_url")
    @classmethod
    def _is_grafana(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value.strip())
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.query
            or parts.fragment
            or "@" in parts.netloc
        ):
            raise ValueError("write the address of Grafana's first page, such as https://example.grafana.net")
        _ = parts.port  # ValueError where it is none
        return parts.geturl().rstrip("/")

    @field_validator("keep_events_days", "keep_seconds_days")
    @classmethod
    def _is_long_enough(cls, value: int | None) -> int | None:
        if value is not None and 0 < value < 7:
            raise ValueError("write 7 or more days, or 0 to keep everything")
        return value

    @field_validator("outdir", "home")
    @classmethod
    def _is_expanded(cls, value: Path | None) -> Path | None:
        # In a file or a container's environment no shell has done it, and a folder called ~ helps nobody.
        return None if value is None else value.expanduser()

    @field_validator("notify_urls", "notify_events", mode="before")
    @classmethod
    def _is_list(cls, value: object) -> object:
        # A list in a file, and words with blanks or commas between them in the environment, are the same.
        if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
            return " ".join(value)
        if isinstance(value, str):
            return " ".join(re.split(r"[\s,]+", value.strip(" \t\n,")))
        return value

    @field_validator("notify_events")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if not value or not set(value.split()) <= set(_EVENTS):
            raise ValueError(f"write some of {', '.join(_EVENTS)}")
        return value

    @property
    def notify_to(self) -> list[str]:
        """The addresses that messages go to. Each is a secret."""
        return (self.notify_urls or "").split()

    @property
    def data_folder(self) -> Path:
        """The user's data folder: the embedded database lives there."""
        return self.home or Path(platformdirs.user_data_dir("nokchart", appauthor=False))

    @property
    def cookies(self) -> dict[str, str] | None:
        """The login of an adult-verified account, where both cookies are set."""
        if self.chzzk_nid_aut and self.chzzk_nid_ses:
            return {"NID_AUT": self.chzzk_nid_aut, "NID_SES": self.chzzk_nid_ses}
        return None

    def require_polite(self) -> None:
        """ConfigError where Chzzk would be polled faster than it wants; a server on loopback may be."""
        urls = (self.chzzk_api_url, self.chzzk_game_api_url, self.chzzk_chat_url)
        if self.poll_interval_sec < _POLITE_POLL_SEC and not all(_is_loopback(url) for url in urls):
            raise ConfigError(
                f"poll_interval_sec is {self.poll_interval_sec:g}, and Chzzk must not be asked more often than every "
                f"{_POLITE_POLL_SEC:g} seconds: write {_POLITE_POLL_SEC:g} or more."
            )


def load_config(path: Path | None, **overrides: Any) -> Config:
    """The configuration: `overrides` (None: not given), then the environment, then `path`, then the defaults.

    Without `path` a config.yaml in the current folder is read, if there is one. ConfigError, in one sentence that names
    the file, the line or the key, and what to write, for anything that cannot be used.
    """
    chosen = path or (Path("config.yaml") if Path("config.yaml").is_file() else None)
    values, lines = ({}, {}) if chosen is None else _read_mapping(chosen)
    given = {key: value for key, value in overrides.items() if value is not None}
    from_environment = {
        key: value
        for key in Config.model_fields
        if (value := os.environ.get(f"NOKCHART_{key.upper()}")) not in (None, "")
    }
    merged = {**values, **from_environment, **given}
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        if key in given:
            where = f"--{key.replace('_', '-')}"
        elif key in from_environment:
            where = f"The environment variable NOKCHART_{key.upper()}"
        else:
            where = f"{chosen}, line {lines.get(key, 1)}: {key}"
        raise ConfigError(f"{where} {_advice(key, first)}") from error


def load_channels(path: Path) -> list[str]:
    """The channel ids of a channels.yaml, in order, each once. ConfigError where it cannot be used."""
    values, lines = _read_mapping(path)
    entries = values.get("channels")
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f'{path}: write a list under "channels:", one channel id a line, such as - "<channel id>".')
    for entry in entries:
        if not isinstance(entry, str) or not _CHANNEL_ID.fullmatch(entry):
            raise ConfigError(
                f"{path}, line {lines.get('channels', 1)} and after: {entry!r} is no channel id; it is the end of "
                "https://chzzk.naver.com/live/<channel id>, in quotes."
            )
    return list(dict.fromkeys(entries))


def _read_mapping(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The top-level keys of a YAML file, and the line of each."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        example = path.with_name(f"{path.stem}.example{path.suffix}")
        raise ConfigError(f"{path} does not exist: copy {example.name} to it, and edit it.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: save it as UTF-8.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}, line {line}: this is not YAML ({error.problem}).") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2026-13-45
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    if values is None:
        return {}, {}
    if not isinstance(values, dict) or not isinstance(node, yaml.MappingNode):
        raise ConfigError(f'{path}, line 1: write keys and values, such as "poll_interval_sec: 60".')
    return {str(key): value for key, value in values.items()}, {
        str(key.value): key.start_mark.line + 1 for key, _ in node.value
    }


def _advice(key: str, problem: Any) -> str:
    match problem["type"]:
        case "extra_forbidden":
            from difflib import get_close_matches

            near = get_close_matches(key, Config.model_fields, n=1)
            hint = f"write {near[0]} instead" if near else "see docs/configuration.md for the keys there are"
            return f"is not a setting: {hint}."
        case "string_type":
            return "cannot be used: write a text, in quotes."
        case "value_error":
            return f"cannot be used: {problem['ctx']['error']}."
        case _:
            message = str(problem["msg"])
            return f"cannot be used: {message[0].lower()}{message[1:]}."


def _is_loopback(url: str) -> bool:
    host = urlsplit(url.replace("{server}", "1")).hostname or ""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"
