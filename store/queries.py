"""The statements of sql/queries, for the rooms above: only store knows where they are."""

from sql import query

__all__ = ["query"]
