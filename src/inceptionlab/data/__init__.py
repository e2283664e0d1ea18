"""Data: sets that live as one array, folders of images, downloads, splits, batches, augmentation."""
