"""From the peer certificate to the use case and back to a status: the only room that knows gRPC."""
