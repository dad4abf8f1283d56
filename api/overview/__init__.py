"""What all of it does at present and did of late: the overview, its history and its feed."""
