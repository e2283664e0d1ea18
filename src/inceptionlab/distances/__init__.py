"""How far apart two sets of images are: by the features that a network gives of them."""
