"""Certify an installation on NIST's reference data for nonlinear regression.

The Statistical Reference Datasets (StRD) of the National Institute of Standards and Technology hold
27 problems of nonlinear least squares, from easy to hard, each with two starts, and with
parameters, standard errors and residual sums of squares certified to 11 digits:
https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml. ``python -m pyminpack`` fits them all from
both starts and counts the digits that come out right.
"""
