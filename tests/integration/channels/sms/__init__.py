"""SMS gateways over HTTP."""
