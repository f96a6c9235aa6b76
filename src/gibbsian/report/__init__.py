"""How numbers and images are shown: pictures by Pillow, tables of text, plots by matplotlib if it is there.

Nothing here knows a model. What is drawn comes as arrays, intervals and strings.
"""
