"""Keys of the read API: how they are made, read and compared. No storage, no HTTP.

A key reads `fbk_<prefix>_<secret>`: the prefix finds its row, the secret is 256 random bits in URL-safe base64.
Only the SHA-256 of the whole key is ever stored; with that much randomness a slow hash would add nothing.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from domain.errors import UserError

MARK = "fbk"
PREFIX_LENGTH = 12
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_FORM = re.compile(rf"{MARK}_(?P<prefix>[a-z0-9]{{{PREFIX_LENGTH}}})_[A-Za-z0-9_-]{{43}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """A key just made. `text` is shown to a person once and kept nowhere."""

    text: str = field(repr=False)
    prefix: str
    sha256: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose behalf figures are asked for; the database itself shows them no others.

    Attributes:
        tenant_id: whose rows they may see; empty: nobody's.
        superuser: whether they may see everyone's.
    """

    tenant_id: str = ""
    superuser: bool = False


NOBODY = Asker()
"""Who sees nothing, where the database knows tenants apart: docs/security.md."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as it is kept.

    Attributes:
        prefix: names it for people, too.
        sha256: of the whole key, 32 bytes.
        tenant_id: whose usage it reads.
        superuser: whether it reads everyone's.
        label: what its maker called it.
        created_at, revoked_at: when; a revoked key opens nothing.
    """

    prefix: str
    sha256: bytes = field(repr=False)
    tenant_id: str
    superuser: bool
    label: str | None
    created_at: datetime
    revoked_at: datetime | None = None

    @property
    def asker(self) -> Asker:
        """On whose behalf its holder asks."""
        return Asker(self.tenant_id, self.superuser)


class KeyFinder(Protocol):
    """Finds keys by their prefix."""

    async def find(self, prefix: str) -> StoredKey | None:
        """The key with this prefix, revoked or not, or None.

        Raises:
            UsageUnavailableError: the database cannot answer now.
        """
        ...


def new_key() -> KeyMaterial:
    """A key that nobody has seen."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(PREFIX_LENGTH))
    text = f"{MARK}_{prefix}_{secrets.token_urlsafe(32)}"
    return KeyMaterial(text, prefix, digest(text))


def digest(text: str) -> bytes:
    """The SHA-256 of a key, 32 bytes."""
    return hashlib.sha256(text.encode()).digest()


def prefix_of(text: str) -> str | None:
    """The prefix of what somebody presents as a key, or None where it has not the form of one."""
    match = _FORM.fullmatch(text)
    return match["prefix"] if match else None


def opens(stored: StoredKey, text: str) -> bool:
    """Whether this is the stored key; takes the same time whatever differs. Does not look at `revoked_at`."""
    return hmac.compare_digest(stored.sha256, digest(text))


def check_tenant(tenant_id: str) -> str:
    """A tenant's name as events may carry it: 1 to 255 characters of any kind, but none that the database refuses.

    Raises:
        UserError: it is not.
    """
    if not 1 <= len(tenant_id) <= 255 or "\x00" in tenant_id or any(0xD800 <= ord(c) <= 0xDFFF for c in tenant_id):
        raise UserError(
            "A tenant's name has 1 to 255 characters, none of them NUL or half of a pair.",
            "Use the tenant_id that the tenant's events carry.",
        )
    return tenant_id
