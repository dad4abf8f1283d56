"""What tidings is compared with. Each module is a program of its own, started as a process by a figure."""
