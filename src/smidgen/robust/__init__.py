"""How a net holds out where pictures are unlike those it was trained on."""
