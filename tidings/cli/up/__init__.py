"""`tidings up`: everything on one machine. The supervisor and its children, the fake gateway, the sample messages."""
