"""The page at `/`: what was used, made for looking."""
