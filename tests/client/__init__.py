"""The JavaScript client, in a browser."""
