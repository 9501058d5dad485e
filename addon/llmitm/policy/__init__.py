"""What llmitm decides, as pure state machines: no clock, no random, no I/O of their own."""
