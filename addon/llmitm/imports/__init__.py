"""Calls that were made before llmitm was there, out of the files of other programs."""
