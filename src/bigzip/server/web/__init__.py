"""The web page of the service: what a browser shows at `/`."""
