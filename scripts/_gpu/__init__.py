"""The parts of `scripts/gpu`: what is packed here, and what is run there. `run` and `manifest` need Python alone."""
