"""Derivatives by differences, and how far to trust them."""
