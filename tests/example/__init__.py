"""The demo site, tested from outside."""
