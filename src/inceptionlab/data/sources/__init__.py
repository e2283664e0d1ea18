"""Where data sets come from: official archives, folders of images, the hub."""
