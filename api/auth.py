"""Who is asking: `Authorization: Bearer fbk_...`."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.errors import APIError
from api.rate_limits import RateLimits
from domain.keys import KeyFinder, StoredKey, opens, prefix_of

_bearer = HTTPBearer(auto_error=False, scheme_name="API key", description="A key made by `feedback keys create`.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def _unauthorized(code: str, message: str) -> APIError:
    return APIError(401, code, message, {"WWW-Authenticate": "Bearer"})


async def authenticate(keys: KeyFinder, presented: str) -> StoredKey:
    """The key that somebody presents, if it opens. Nothing is remembered: a revoked key opens nothing from then on.

    Raises:
        APIError: 401 `invalid_key` or, to one who does have the key, `revoked_key`.
        UsageUnavailableError: the database cannot answer now.
    """
    prefix = prefix_of(presented)
    stored = await keys.find(prefix) if prefix is not None else None
    if stored is None or not opens(stored, presented):
        raise _unauthorized("invalid_key", "This API key is not known.")
    if stored.revoked_at is not None:
        raise _unauthorized("revoked_key", "This API key was revoked.")
    return stored


async def caller(request: Request, credentials: Credentials) -> StoredKey:
    """The caller's key.

    Raises:
        APIError: 401 `missing_key`, or as `authenticate`; 429 `rate_limited`.
    """
    if credentials is None:
        raise _unauthorized("missing_key", "Send your API key in the header: Authorization: Bearer fbk_...")
    keys: KeyFinder = request.app.state.keys
    rates: RateLimits = request.app.state.rate_limits
    address = request.client.host if request.client is not None else ""
    prefix = prefix_of(credentials.credentials)
    await rates.trying(address, prefix)
    try:
        key = await authenticate(keys, credentials.credentials)
    except APIError as error:
        try:
            await rates.failed(address, prefix)
        finally:
            if prefix is not None and error.code == "revoked_key":
                await rates.revoked(prefix)
        raise
    # Once more: of keys tried at one time, a right one behind too many wrong ones must not stand out.
    await rates.trying(address, prefix)
    await rates.opened(key.prefix)
    return key


Caller = Annotated[StoredKey, Depends(caller)]


async def superuser(key: Caller) -> StoredKey:
    """The caller's key, which may read everyone's usage.

    Raises:
        APIError: 403 `superuser_required`, or as `caller`.
    """
    if not key.superuser:
        raise APIError(403, "superuser_required", "Only the key of a superuser reads the usage of all tenants.")
    return key
