"""From specs to the text of plain PyTorch modules."""
