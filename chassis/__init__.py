"""What two or more services need. It knows no business word."""
