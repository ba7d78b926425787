"""What lies on disk: images in, masks and tables out, the session in between."""
