"""The data plane: the contract, the draws both engines read, and the two engines."""
