"""``python -m napari_adasam`` is ``napari-adasam``."""

from napari_adasam.cli import main

if __name__ == "__main__":
    main()
