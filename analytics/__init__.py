"""The batch side: series, peaks, topics, charts and files, read from the database or from a folder."""
