"""The window: a napari dock, its layers and its keys. Talks to the annotator only, and never computes."""
