"""What a simulated device tells the container that got it."""

SHARE_ENV = "HOSTLER_SIMULATED_SHARE"
"""How much of the time of a processor core the device is worth, above 0 to 1: a trainer waits for as long as the rest
would have taken. So simulated types differ in speed, and nobody is told by how much. Absent means 1."""
