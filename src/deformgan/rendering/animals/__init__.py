"""Four-legged animals of simple shapes, with exact joints: a second domain beside people."""
