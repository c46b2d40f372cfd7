"""The API sends nobody elsewhere: a client would take its key along."""

from tests.api_routes import paths_of
from tests.unit.api.support import WINDOW, Rig


async def test_no_address_redirects_with_a_slash_at_its_end_or_without():
    rig = Rig()
    key = (await rig.keys.create("a", superuser=True)).text
    async with rig.client:
        for path in (path.format(name="main.js") for path in paths_of(rig.app)):
            asked = WINDOW | ({"framework_id": "f"} if "agreement" in path else {})
            there, beyond = [
                await rig.get(address, key, params=asked) for address in (path, f"{path}/x".replace("//", "/"))
            ]
            assert there.status_code == 200, path
            assert beyond.status_code == 404, path
            for answer in (there, beyond, await rig.get(f"{path.rstrip('/')}/", key, params=asked)):
                assert not answer.is_redirect, path
                assert "location" not in answer.headers
            if path != "/":
                assert (await rig.get(f"{path}/", key, params=asked)).status_code == 404
