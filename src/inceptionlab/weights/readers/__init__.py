"""Files of weights of any kind as names and tensors; no code in them is run."""
