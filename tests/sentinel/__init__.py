"""Sentinel: real groups of a master, replicas and sentinels."""
