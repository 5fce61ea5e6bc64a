"""The whole system as the end-to-end tests, the crash tests and the benchmarks drive it."""
