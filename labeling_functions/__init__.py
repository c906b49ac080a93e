"""User land: labeling functions of the demo. Of datahub they import only the public face."""
