"""The log: one SQLite file. The only package that imports sqlite_utils."""
