"""Data: sets that live as one array, folders of pictures, downloads, splits, batches, augmentation."""
