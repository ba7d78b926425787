"""Figures: metrics, a simulated annotator, and the studies behind the command ``evaluate``."""
