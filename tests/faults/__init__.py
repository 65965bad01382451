"""What the package does when the server, or the way to it, fails. docs/failure.rst, row by row."""
