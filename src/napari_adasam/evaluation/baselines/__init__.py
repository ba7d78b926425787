"""What ADA-SAM is measured against: small, honest implementations, all prompt-free at test."""
