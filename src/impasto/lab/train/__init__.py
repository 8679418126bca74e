"""Training: ``config`` says what, ``data`` brings pictures, ``objective`` judges, ``loop`` runs."""
