"""Fits of a model to data: what `curve_fit` is made of."""
