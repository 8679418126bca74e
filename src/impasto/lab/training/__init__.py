"""Training: settings (``config``), networks (``networks``), pictures (``data``), and ``loop``."""
