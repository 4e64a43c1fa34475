"""Packages of firmware: a net's C as each world of boards takes a library."""
