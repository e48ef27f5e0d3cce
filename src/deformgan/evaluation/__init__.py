"""Protocols: which pixels count, what is scored, how sure the number is."""
