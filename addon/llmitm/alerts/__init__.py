"""Alerts: what is watched, the messages that follow from it, and the channels that they go out by."""
