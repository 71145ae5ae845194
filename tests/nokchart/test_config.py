"""Configuration: the old tool's files as they are, and one sentence for each way of getting them wrong."""

from pathlib import Path

import pytest

from nokchart.config import Config, ConfigError, load_channels, load_config

# As the old tool's documentation has them.
SEED_CONFIG = """\
# 치지직 API 인증 정보
chzzk_client_id: "여기에_CLIENT_ID_입력"
chzzk_client_secret: "여기에_CLIENT_SECRET_입력"

# Watcher 설정
poll_interval_sec: 60           # 방송 상태 확인 주기 (초)
restart_resume: true            # 재시작 시 수집 재개
idle_timeout_minutes: 30        # 채팅이 없으면 N분 후 자동 종료 및 데이터 처리

# 피크 탐지 설정
peak_window_sec: 60             # 피크 탐지 윈도우 크기 (초)
topk: 50                        # 추출할 상위 피크 개수
min_peak_gap_sec: 120           # 피크 간 최소 간격 (초)

# 집계 설정
rolling_sec: 600                # 이동 평균 윈도우 (10분)

# 출력 설정
outdir: "output"                # 기본 출력 디렉토리

# 재시도 설정
max_retries: 5
backoff_factor: 2
"""
SEED_CHANNELS = """\
channels:
  - "채널ID1"  # 방송인1
  - "채널ID2"  # 방송인2
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's config.yaml and nobody's environment."""
    monkeypatch.chdir(tmp_path)
    for key in Config.model_fields:
        monkeypatch.delenv(f"NOKCHART_{key.upper()}", raising=False)


def _config(text: str | bytes, name: str = "config.yaml") -> Path:
    path = Path(name)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("text", [SEED_CONFIG, "\ufeff" + SEED_CONFIG, SEED_CONFIG.replace("\n", "\r\n")])
def test_the_old_config_is_read_unchanged(text: str) -> None:
    config = load_config(_config(text))
    assert config.chzzk_client_secret == "여기에_CLIENT_SECRET_입력"
    assert (config.poll_interval_sec, config.restart_resume, config.idle_timeout_minutes) == (60, True, 30)
    assert (config.peak_window_sec, config.topk, config.min_peak_gap_sec, config.rolling_sec) == (60, 50, 120, 600)
    assert (config.outdir, config.max_retries, config.backoff_factor) == (Path("output"), 5, 2)


def test_the_old_channels_are_read_unchanged() -> None:
    ids = SEED_CHANNELS.replace("채널ID1", "a" * 32).replace("채널ID2", "b" * 32)
    assert load_channels(_config(ids, "channels.yaml")) == ["a" * 32, "b" * 32]
    twice = ids + f'  - "{"a" * 32}"\n'
    assert load_channels(_config(twice, "channels.yaml")) == ["a" * 32, "b" * 32]


def test_what_counts_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_config(None) == Config()
    _config("topk: 7\nlanguage: en\nrolling_sec: 60")
    monkeypatch.setenv("NOKCHART_TOPK", "8")
    monkeypatch.setenv("NOKCHART_LANGUAGE", "")
    config = load_config(None, rolling_sec=90, language=None)  # the config.yaml of this folder
    assert (config.topk, config.language, config.rolling_sec) == (8, "en", 90)
    assert load_config(_config("# nothing yet\n", "empty.yaml")).topk == 8


def test_a_home_is_written_as_a_person_writes_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NOKCHART_HOME", "~/data")
    config = load_config(_config("outdir: ~/nokchart"))
    assert (config.outdir, config.data_folder) == (tmp_path / "nokchart", tmp_path / "data")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "topk: 5\npeek_window_sec: 60",
            "config.yaml, line 2: peek_window_sec is not a setting: write peak_window_sec",
        ),
        ("zzz: 1", "config.yaml, line 1: zzz is not a setting: see docs/configuration.md"),
        ("5: 1", "config.yaml, line 1: 5 is not a setting"),
        ("\n\ntopk: many", "config.yaml, line 3: topk cannot be used: input should be a valid integer"),
        ("topk: 0", "topk cannot be used: input should be greater than or equal to 1"),
        ("topk: [1]", "config.yaml, line 1: topk cannot be used"),
        ("rolling_sec: .nan", "rolling_sec cannot be used"),
        ("poll_interval_sec: .inf", "poll_interval_sec cannot be used"),
        ("metrics_port: 0", "metrics_port cannot be used: input should be greater than or equal to 1"),
        ("metrics_port: 65536", "metrics_port cannot be used: input should be less than or equal to 65535"),
        ("spool_limit_mb: 0", "spool_limit_mb cannot be used: input should be greater than or equal to 1"),
        ("language: fr", "language cannot be used: input should be 'ko' or 'en'"),
        ("chzzk_client_id: 12345", "chzzk_client_id cannot be used: write a text, in quotes."),
        ("chzzk_api_url: api.chzzk.naver.com", "write an address such as https://api.chzzk.naver.com"),
        ("topk: 5\n  bad: - indent", "config.yaml, line 2: this is not YAML"),
        ("topk: 5\n\tx: 1", "config.yaml, line 2: this is not YAML"),
        ("a: &a [*b]", "config.yaml, line 1: this is not YAML"),
        ("outdir: 2026-13-45", "config.yaml is not YAML: month must be in 1..12."),
        ("x: \x00", "config.yaml is not YAML"),
        ("- topk", "config.yaml, line 1: write keys and values"),
        ("topk", "config.yaml, line 1: write keys and values"),
        (b"outdir: \xbe\xc8", "config.yaml is not UTF-8 text: save it as UTF-8."),
    ],
)
def test_a_config_that_cannot_be_used(text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(_config(text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine.yaml does not exist: copy mine.example.yaml to it"):
        load_config(Path("mine.yaml"))
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("channels:", 'write a list under "channels:"'),
        ("channels: []", 'write a list under "channels:"'),
        ("chanels:\n  - a", 'write a list under "channels:"'),
        ("- a", "write keys and values"),
        ("\nchannels:\n  - a b", "line 2 and after: 'a b' is no channel id"),
        ("channels:\n  - ../x", "is no channel id"),
        ("channels:\n  - https://chzzk.naver.com/live/abc", "is no channel id"),
        ("channels:\n  - 12345", "12345 is no channel id"),
        ("channels:\n  - {id: x}", "is no channel id"),
    ],
)
def test_channels_that_cannot_be_used(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_channels(_config(text, "channels.yaml"))
    assert message in str(caught.value)
    assert str(caught.value).startswith("channels.yaml")
    assert "\n" not in str(caught.value)


def test_the_environment_and_options_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"^--language cannot be used: input should be 'ko' or 'en'"):
        load_config(None, language="fr")
    monkeypatch.setenv("NOKCHART_MIN_PEAK_GAP_SEC", "soon")
    with pytest.raises(ConfigError, match=r"^The environment variable NOKCHART_MIN_PEAK_GAP_SEC cannot be used"):
        load_config(None)


@pytest.mark.parametrize(
    "key", [key for key in Config.model_fields if key.startswith(("chzzk_cl", "chzzk_nid", "data"))]
)
def test_a_secret_is_never_in_a_message(key: str) -> None:
    for value in ("[s3cret]", "{s3cret: 1}", "!!binary s3cret"):
        with pytest.raises(ConfigError) as caught:
            load_config(_config(f"{key}: {value}"))
        assert "s3cret" not in str(caught.value)
        assert key in str(caught.value) or "not YAML" in str(caught.value)


def test_chzzk_is_asked_politely() -> None:
    with pytest.raises(ConfigError, match="poll_interval_sec is 5, and Chzzk must not be asked more often"):
        Config(poll_interval_sec=5).require_polite()
    Config(poll_interval_sec=10).require_polite()
    loopback = {
        "chzzk_api_url": "http://127.0.0.1:8080",
        "chzzk_game_api_url": "http://localhost:8080",
        "chzzk_chat_url": "ws://[::1]:8080/chat/{server}",
    }
    Config(poll_interval_sec=0.5, **loopback).require_polite()
    for key, real in (
        ("chzzk_api_url", "https://api.chzzk.naver.com"),
        ("chzzk_api_url", "https://127.0.0.1.example.com"),
        ("chzzk_game_api_url", "https://comm-api.game.naver.com"),
        ("chzzk_chat_url", "wss://kr-ss{server}.chat.naver.com/chat"),
    ):
        with pytest.raises(ConfigError):
            Config(poll_interval_sec=0.5, **{**loopback, key: real}).require_polite()


@pytest.mark.parametrize("days", [1, 6])
def test_a_retention_of_less_than_a_week_is_refused(tmp_path: Path, days: int) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"keep_events_days: {days}\n")
    with pytest.raises(ConfigError, match=r"line 1: keep_events_days cannot be used: .*write 7 or more days, or 0"):
        load_config(path)
    path.write_text("keep_events_days: 0\nkeep_seconds_days: 7\n")
    assert load_config(path).keep_events_days == 0
