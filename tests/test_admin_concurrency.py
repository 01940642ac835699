"""Many clients at once: nothing is lost, conflicts are told, and a restart gives the same."""

from __future__ import annotations

from typing import Any

from admin_site import AdminCase, Site
from twisted.internet.defer import Deferred, gatherResults

CLIENTS = 50


class ManyClientsTests(AdminCase):
    timeout = 120

    async def client(self, number: int) -> tuple[str, dict[str, Any]]:
        """Create an object, change it a few times, read in between; give what was acknowledged last."""
        name = f"services/s{number}"
        service = await self.ok("POST", f"/v1/services?service_id=s{number}", {"description": "0"})
        for change in range(1, 3):
            body = {"description": f"{number}.{change}", "etag": service["etag"]}
            service = await self.ok("PATCH", f"/v1/{name}", body)
            listed = await self.ok("GET", f"/v1/services?filter=s{number}&page_size=1000")
            found = next(each for each in listed["services"] if each["name"] == name)
            assert found["description"] == f"{number}.{change}"
        if number % 5 == 0:
            await self.ok("DELETE", f"/v1/{name}?etag={service['etag']}")
            return name, {}
        return name, service

    async def test_different_objects(self) -> None:
        """No update of another's object gets lost; the store is what was acknowledged; a restart gives the same."""
        clients = [Deferred.fromCoroutine(self.client(number)) for number in range(CLIENTS)]
        acknowledged = dict(await gatherResults(clients, consumeErrors=True))
        wanted = {name: service["description"] for name, service in acknowledged.items() if service}
        assert len(wanted) == 40
        assert await self.described(self.site) == wanted
        await self.site.stop()
        again = Site(self.folder, self.backend.target).start()
        self.addCleanup(again.stop)
        assert await self.described(again) == wanted
        for name, service in acknowledged.items():
            if service:
                now = await again.ok("GET", f"/v1/{name}")
                assert now["etag"] == service["etag"]
                assert now["updateTime"] == service["updateTime"]

    async def described(self, site: Site) -> dict[str, str]:
        services = (await site.ok("GET", "/v1/services?page_size=1000"))["services"]
        return {each["name"]: each["description"] for each in services if each["name"] != "services/echo"}

    async def test_one_object(self) -> None:
        """Of many that change one object from the same etag, one wins; all others are told, and can try again."""
        service = await self.ok("POST", "/v1/services?service_id=one", {"description": ""})

        async def change(turn: int, number: int, etag: str) -> int:
            answer = await self.api("PATCH", "/v1/services/one", {"description": f"{turn} by {number}", "etag": etag})
            assert answer.status == 200 or answer.reason == "ETAG_MISMATCH"
            return answer.status

        for turn in range(2):
            attempts = [Deferred.fromCoroutine(change(turn, number, service["etag"])) for number in range(20)]
            statuses = await gatherResults(attempts, consumeErrors=True)
            assert sorted(statuses) == [200] + [409] * 19
            service = await self.ok("GET", "/v1/services/one")
            assert service["description"] == f"{turn} by {statuses.index(200)}"

    async def test_bind_and_reload_together(self) -> None:
        """Reloads of the operator's between changes disturb neither."""
        await self.make_shop()
        steps = [Deferred.fromCoroutine(self.site.gateway.reload()) for _ in range(5)]
        for api in ("get", "put"):
            body = {"service": "shop", "environment": "release", "apis": [api]}
            steps.append(Deferred.fromCoroutine(self.ok("POST", "/v1/plugins/shop:bind", body)))
            steps += [Deferred.fromCoroutine(self.site.gateway.reload()) for _ in range(3)]
        outcomes = await gatherResults(steps, consumeErrors=True)
        assert all(outcome.accepted for outcome in outcomes if hasattr(outcome, "accepted"))
        assert (await self.ok("GET", "/v1/bindings/shop.shop.release"))["apis"] == ["get", "put"]
