"""Rules that several services apply alike. Pure: no I/O, no clock, no database."""
