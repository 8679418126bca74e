"""Pictures and files: read, scaled, written; nothing here knows of styles and models."""
