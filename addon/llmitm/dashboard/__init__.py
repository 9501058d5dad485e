"""The dashboard: a small web server of its own that reads the log. It knows nothing of the proxy."""
