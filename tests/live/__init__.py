"""Live sessions: one session for a browser's pages and its sockets."""
