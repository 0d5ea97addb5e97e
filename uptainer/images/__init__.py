"""What registries know of images: versions, credentials, the registry client, candidates, the fleet's lookup."""
