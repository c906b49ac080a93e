"""Rows in and out: import, append, upsert, export."""
