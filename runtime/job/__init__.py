"""A bounded job: publish the records of a file, follow the result topics until each has its outcome, report."""
