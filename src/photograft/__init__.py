"""photograft: graft your own classes onto a pretrained network."""
__version__ = "0.1.0"
