"""Adaptations of a frozen encoder: insert, train only these, state of only these."""
