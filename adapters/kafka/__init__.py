"""Kafka: publishing, topics, the catalogue of coding frameworks."""
