"""The passwords of an installation: whether they are all there, hard to guess, and different."""

from collections.abc import Mapping

from store.errors import NokchartError

NAMES = ("POSTGRES_PASSWORD", "NOKCHART_WRITER_PASSWORD", "NOKCHART_READER_PASSWORD", "GRAFANA_ADMIN_PASSWORD")
LEAST_CHARACTERS = 12

# In any of these words and what is made of them: examples, defaults, and what everybody tries first.
_GUESSED: tuple[str, ...] = (
    "change",
    "passw",
    "example",
    "default",
    "nokchart",
    "postgres",
    "secret",
    "admin",
    "grafana",
    "qwerty",
)
_GUESSED += ("letmein", "timescale", "replace", "12345678", "87654321", "abcdefgh")
_FEWEST_DIFFERENT = 6  # of a random hexadecimal text of 12 characters, all but one in ten thousand have as many


class PasswordError(NokchartError):
    """A password cannot be used."""


def check_passwords(environment: Mapping[str, str]) -> None:
    """PasswordError, which names the variable and never its value, where a password is missing or bad."""
    known: dict[str, str] = {}
    for name in NAMES:
        password = environment.get(name, "")
        if problem := _problem(password, known):
            raise PasswordError(
                f"{name} {problem}: write the output of `openssl rand -hex 24` into .env, another for each."
            )
        known[password] = name


def _problem(password: str, known: Mapping[str, str]) -> str | None:
    plain = "".join(character for character in password.lower() if character.isalnum())
    if not password.strip():
        return "is not set"
    if password in known:
        return f"is the same as {known[password]}"
    if any(word in plain for word in _GUESSED):
        return "is a default or an example"
    if len(password) < LEAST_CHARACTERS:
        return f"is shorter than {LEAST_CHARACTERS} characters"
    if len(set(password)) < _FEWEST_DIFFERENT:
        return "is easy to guess"
    return None
