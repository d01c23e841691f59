"""What a simulated device tells the container that got it."""

SPEED_ENV = "HOSTLER_SIMULATED_GIGAFLOPS"
"""Billions of operations in a second that the device is to make: a trainer waits where the cores below it were faster.
So simulated types differ in speed whatever else the machine does, and nobody but the trainer is told by how much.
Absent means as fast as the cores are."""
