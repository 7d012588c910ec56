"""HTTP services as tools, by their OpenAPI documents."""
