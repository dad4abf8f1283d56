"""What strangers may try, each as a test."""
