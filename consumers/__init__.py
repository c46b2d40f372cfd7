"""TOPIC -> TABLE: reads events and stores them. The events' meaning is `schemas`, the tables are behind ports."""
