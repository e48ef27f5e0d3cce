"""Person re-identification: more training photos by generation, and whether they help."""
