"""Shipping: from a trained model to an artefact that computes the same."""
