"""The log in the forms of other programs."""
