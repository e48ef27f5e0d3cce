"""Figures: poses, sheets of labelled pictures, and plots."""
