"""Attacks that the threat model names, each as a test."""
