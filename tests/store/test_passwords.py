"""Passwords of an installation: which are refused, and that no sentence repeats one."""

import pytest

from store.passwords import NAMES, PasswordError, check_passwords

GOOD = {
    "POSTGRES_PASSWORD": "3f9a61c07be2d85411aa90",
    "NOKCHART_WRITER_PASSWORD": "b70cd2e95f31486a0e7c44",
    "NOKCHART_READER_PASSWORD": "0a5be81d93c6f7244e1b09",
    "GRAFANA_ADMIN_PASSWORD": "d41c7a90e5f2b8361c02ee",
}


def test_random_ones_are_taken() -> None:
    check_passwords(GOOD)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "is not set"),
        ("", "is not set"),
        ("   ", "is not set"),
        ("short9f3a1c", "shorter than 12"),
        ("change-me-please-now", "default or an example"),
        ("CHANGEME0123", "default or an example"),
        ("Passw0rd-is-long", "default or an example"),
        ("my-nokchart-2026", "default or an example"),
        ("postgres", "default or an example"),
        ("aaaaaaaaaaaaaaaaaaaa", "easy to guess"),
    ],
)
def test_bad_ones_are_refused_in_a_sentence_with_the_name_and_not_the_value(
    name: str, value: str | None, reason: str
) -> None:
    environment = {**GOOD, name: value} if value is not None else {k: v for k, v in GOOD.items() if k != name}
    with pytest.raises(PasswordError, match=reason) as caught:
        check_passwords({key: str(one) for key, one in environment.items()})
    message = str(caught.value)
    assert message.startswith(f"{name} ")
    assert "openssl rand -hex 24" in message
    assert not value or not value.strip() or value not in message


def test_two_that_are_the_same_are_refused() -> None:
    same = {**GOOD, "GRAFANA_ADMIN_PASSWORD": GOOD["POSTGRES_PASSWORD"]}
    with pytest.raises(PasswordError, match="GRAFANA_ADMIN_PASSWORD is the same as POSTGRES_PASSWORD") as caught:
        check_passwords(same)
    assert GOOD["POSTGRES_PASSWORD"] not in str(caught.value)
