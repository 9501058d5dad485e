"""OpenTelemetry: calls as spans and metrics, over OTLP."""
