"""A look at a data set before anything is trained: what is wrong, how sure that is, what to do.

Layer: data. Imports no torch.
"""
