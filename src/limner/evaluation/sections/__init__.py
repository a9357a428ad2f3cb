"""What the sections of the report say: sentences, tables and charts made from a run folder.

Layer: part of `evaluation`. Every function returns plain values; the template only places them.
"""
