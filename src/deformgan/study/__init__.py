"""The human study: people look at pictures, real and generated, and say what they think."""
