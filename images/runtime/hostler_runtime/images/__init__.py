"""What the families on images share: prepared data, PNG files, networks from directories, judges of what is drawn."""
