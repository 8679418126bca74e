"""Films and cameras: frame by frame through a model, calm, and back into a film.

PyAV (FFmpeg) reads and writes them: ``pip install 'impasto[video]'``. It is loaded at the first use
of a film; no other package of Impasto knows this one but the command line.
"""
