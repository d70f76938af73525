"""Setting a value in a TOML file as an operator would: where it belongs, and with all comments kept."""

from typing import Any

from tomlkit.items import Table


def set_value(table: Any, setting: str, value: object) -> None:
    """Set it; a new one in a table goes behind the others, before the blank lines and comments ahead of the next."""
    if setting in table or not isinstance(table, Table):
        table[setting] = value
        return
    body = table.value.body
    ahead_of_next: list[Any] = []
    while body and body[-1][0] is None:
        ahead_of_next.append(body.pop()[1])
    table.add(setting, value)
    for item in reversed(ahead_of_next):
        table.add(item)
