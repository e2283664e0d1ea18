"""Networks for other programs: writers, engines that run what was written, 8 bits."""
