"""Migrations: there is no table to make, only permissions."""
