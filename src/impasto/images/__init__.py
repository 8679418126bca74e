"""Pictures and files: read, scaled, written; nothing here knows of styles and models."""

from __future__ import annotations

from impasto.images.photo import Photo, read_photo
from impasto.images.writing import write_image

__all__ = ["Photo", "read_photo", "write_image"]
