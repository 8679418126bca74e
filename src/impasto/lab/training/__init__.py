"""Training: ``config`` says what, ``networks`` which, ``data`` brings pictures, ``loop`` runs."""
