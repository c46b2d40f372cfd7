"""`/v1/key`: whose key it is that asks. A page learns by it what it may show."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.auth import Caller
from api.responses import ERRORS

router = APIRouter(tags=["keys"], responses={status: said for status, said in ERRORS.items() if status != 422})


class KeyHolder(BaseModel):
    """What a key opens."""

    tenant_id: str = Field(description="The tenant that the key belongs to.")
    superuser: bool = Field(description="Whether it reads the usage of all tenants.")


@router.get("/v1/key", summary="Whose key this is")
async def key_holder(key: Caller) -> KeyHolder:
    """The tenant of the API key that asks, and whether it is a superuser's."""
    return KeyHolder(tenant_id=key.tenant_id, superuser=key.superuser)
