"""Human study: participants judge real and generated images."""
