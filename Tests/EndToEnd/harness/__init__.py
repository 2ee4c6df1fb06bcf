"""What the end-to-end tests stand on: network namespaces, the server, browsers and aiortc clients."""
