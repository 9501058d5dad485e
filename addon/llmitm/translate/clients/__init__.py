"""What clients speak: their requests are read, their answers written."""
