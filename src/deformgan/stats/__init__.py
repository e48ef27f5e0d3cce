"""Statistics: intervals, tests and agreement, of numbers whose origin does not matter."""
