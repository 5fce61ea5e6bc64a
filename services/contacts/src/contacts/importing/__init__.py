"""The pure part of imports: bytes to text, text to records, records to people and properties, plans of changes."""
