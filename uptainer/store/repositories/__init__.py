"""What is asked of the tables and written to them, by aggregate. A repository takes a session and never commits."""
