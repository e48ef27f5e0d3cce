"""Headers of every response: nothing from elsewhere, no inline code, nothing stored."""

from collections.abc import Mapping

# Everything that is not listed is blocked, inline code and inline styles too.
_SOURCES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",
    "media-src": "'self' blob:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "worker-src": "'self' blob:",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


def security_headers(
    sources: Mapping[str, str] | None = None, *, camera: bool = False
) -> dict[str, str]:
    """Return the headers of a local page.

    Args:
        sources: Changes of the content security policy, by directive: for example
            `{"script-src": "'self' 'wasm-unsafe-eval'"}` for WebAssembly.
        camera: Whether the page may ask for the camera.

    Raises:
        ValueError: If inline code or inline styles would be allowed.
    """
    policy = _SOURCES | dict(sources or {})
    for directive, allowed in policy.items():
        if "'unsafe-inline'" in allowed or "'unsafe-eval'" in allowed:
            raise ValueError(f"{directive} would allow inline code: {allowed}.")
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": f"camera=({'self' if camera else ''}), geolocation=(), microphone=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
