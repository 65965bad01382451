"""What a session costs, beside what people use now: ``python -m benchmarks``."""
