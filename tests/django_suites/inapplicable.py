"""The tests of Django's that cannot apply."""

INAPPLICABLE = {}
