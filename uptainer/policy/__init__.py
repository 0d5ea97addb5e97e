"""When and whether a container may be updated: settings in layers, rules, windows, and the order of updates."""
