"""Language models: which there are, what they cost, how they are asked. The SDKs load at the first call."""
