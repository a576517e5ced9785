"""One tab, used by one person after another: what the first one saw stays with them."""

from uuid import uuid4

from playwright.async_api import WebSocket, expect

from tests.e2e.conftest import Visit


async def test_a_tab_forgets_who_used_it_before(visit: Visit) -> None:
    ada = await visit()
    frames: list[str] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: frames.append(str(frame)))

    ada.page.on("websocket", listen)
    await ada.go("/agents")
    await expect(ada.page.get_by_text("Lead router").first).to_be_visible()
    hers = [each for each in (ada.email, "Ada Lovelace", "Lead router") if each in str(frames)]
    assert "Lead router" in hers

    await ada.context.request.post(f"{ada.url}/api/v1/auth/logout", headers={"Origin": ada.url})
    frames.clear()
    await ada.go("/login")
    await expect(ada.page.get_by_role("heading", name="Log in", exact=True)).to_be_visible()
    await ada.go("/agents")
    await expect(ada.page.get_by_role("heading", name="Log in", exact=True)).to_be_visible()
    assert frames
    assert [each for each in hers if each in str(frames)] == []

    body = {"email": f"{uuid4().hex}@example.com", "password": "another good one"}
    body |= {"name": "Bo", "org_name": "Next"}
    answer = await ada.context.request.post(f"{ada.url}/api/v1/auth/signup?session=page", data=body)
    assert answer.status == 201
    await ada.go("/settings/profile")
    await expect(ada.page.get_by_role("heading", name="Profile", exact=True)).to_be_visible()
    assert [each for each in hers if each in str(frames)] == []
