"""Films and cameras: painted frame by frame by a model, steadied, and written as a film.

PyAV (FFmpeg) reads and writes them: ``pip install 'impasto[video]'``. It is loaded at the first use
of a film; among Impasto's packages only the command line uses this one.
"""
