"""LittleFS images: made from a folder with the sizes that a firmware mounts with, and read back.

Needs the Python package littlefs-python, and raises PackageMissing without it; nothing is imported before.
"""

from west_qspi.littlefs.image import Entry, Image, open_image
from west_qspi.littlefs.make import make_image
from west_qspi.littlefs.settings import LittleFsSettings, settings_from_build

__all__ = [
    "Entry",
    "Image",
    "LittleFsSettings",
    "make_image",
    "open_image",
    "settings_from_build",
]
