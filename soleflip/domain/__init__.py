"""Pure rules of reselling: frozen values in, frozen values out; no clock, no I/O, no framework."""
