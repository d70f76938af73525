"""The contract that both sides of linecert share: the gRPC messages and the rules that go with them."""
