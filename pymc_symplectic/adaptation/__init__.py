"""What warm-up learns, and when."""
