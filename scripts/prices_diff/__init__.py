"""Compare our price table with those of others: who says what. Writes nothing."""
