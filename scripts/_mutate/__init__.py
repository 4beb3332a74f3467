"""Plants faults into `methods/`, one at a time, and sees whether the tests notice."""
