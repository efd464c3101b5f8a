"""The embedded servers, one module each; `soleflip.local` starts and stops them together."""
