"""What the operator publishes about itself and about the objects that it looks after."""
