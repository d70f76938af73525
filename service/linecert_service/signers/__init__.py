"""Where the CA key lives: one module a backend, all behind `domain.ports.Signer`."""
