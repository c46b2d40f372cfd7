"""Each file a part of the system that is broken, each function one way to break it; `catalogue.case` names it."""
