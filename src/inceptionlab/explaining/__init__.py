"""Why a network answers as it does: attribution maps, branches, receptive fields, mistakes."""
