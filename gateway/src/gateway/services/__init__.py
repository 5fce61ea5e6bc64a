"""Business logic: classes whose dependencies are injected."""
