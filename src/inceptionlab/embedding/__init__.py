"""The features of images: computed by a network, kept on disk, compared."""
