"""From specs to plain PyTorch modules: layers, building, initial weights, gradient checkpointing, backbones."""
