"""Sessions in Redis for Django and Channels: one session, readable and writable from both."""
