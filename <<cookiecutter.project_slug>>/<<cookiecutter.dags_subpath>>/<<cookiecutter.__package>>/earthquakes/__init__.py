"""The example: earthquakes, from an event service or the bundled sample, to clean Parquet files."""
