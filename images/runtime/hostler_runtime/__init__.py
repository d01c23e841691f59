"""What runs inside the training and the serving containers: one training loop, one server, one package per family."""
