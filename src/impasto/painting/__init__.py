"""A picture through a model."""
