"""Annotations of other programs, turned into masks: COCO, labelme, CVAT, Label Studio, GeoJSON, ImageJ.

Layer: data. Imports no torch. `convert` puts the rooms together.
"""
