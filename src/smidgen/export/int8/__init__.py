"""Integers: from a float program to int8, its simulation and its finishing."""
