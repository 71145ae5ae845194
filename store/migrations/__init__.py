"""Alembic's folder: each revision runs the files of the same number under sql/schema."""
