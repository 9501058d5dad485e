"""What providers speak: their requests are written, their answers read."""
