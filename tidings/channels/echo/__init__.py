"""Channel `echo`: prints through a logger."""
