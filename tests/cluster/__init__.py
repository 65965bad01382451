"""The engine on a real Redis Cluster."""
