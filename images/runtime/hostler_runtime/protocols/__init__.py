"""What the loop and the server ask of a family; families, objectives and what families share are written against it."""
