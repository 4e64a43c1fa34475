"""Design, train, prove and ship very small convolutional networks."""
