"""What people are told: events that name what happened, to what, and when it counts as the same thing again."""
