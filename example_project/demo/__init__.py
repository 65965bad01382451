"""A demo site: one session, shared by pages over HTTP and a consumer over a WebSocket."""
