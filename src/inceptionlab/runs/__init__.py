"""A run: one folder from configuration to report; training, testing and predicting with it."""
