"""Where pixels are kept: arrays in memory or on disk, decoded on demand, or streamed."""
