"""The language of nft: rules, elements, listings and scripts."""
