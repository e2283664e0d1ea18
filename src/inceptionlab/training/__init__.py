"""Training: recipes, optimisers, schedules, the loop, its state, and the run folder."""
