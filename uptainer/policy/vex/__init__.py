"""VEX documents: what a supplier states of vulnerabilities in its products, in OpenVEX, CycloneDX or CSAF."""
