"""The first act: labeling functions vote, a label model combines them."""
