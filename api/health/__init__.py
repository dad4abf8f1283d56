"""Whether this process and its stores work, for probes. `readiness` imports `sql` and `tidings` only;
`routes` takes its types from `api.messages.schemas`."""
