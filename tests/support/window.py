"""A browser as far as a sign-in through a provider needs one."""

import re
from urllib.parse import parse_qs, urlsplit

import httpx
from fastapi import FastAPI

from agentflow_app.sso.service import redirect_uri

START, CALLBACK = "/api/v1/auth/sso/start", "/api/v1/auth/sso/callback"


class Window:
    """A browser as far as redirects, cookies and the provider's forms go."""

    def __init__(self, api: FastAPI, home: str = "http://localhost") -> None:
        self.app = httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url=home)
        self.outside = httpx.AsyncClient()

    async def close(self) -> None:
        await self.app.aclose()
        await self.outside.aclose()

    async def start(self, **query: str) -> str:
        answer = await self.app.get(START, params=query)
        assert answer.status_code == 303
        return answer.headers["location"]

    async def at_provider(self, url: str, subject: str) -> dict[str, str]:
        """Logs in and consents there; what the provider sends back to the callback."""
        answer = await self.outside.get(url)
        for _ in range(12):
            if answer.is_redirect:
                target = str(answer.url.join(answer.headers["location"]))
                if target.startswith(redirect_uri()):
                    return {name: each[0] for name, each in parse_qs(urlsplit(target).query).items()}
                answer = await self.outside.get(target)
                continue
            action = re.search(r'action="([^"]+)"', answer.text)
            assert action, answer.text
            prompt = "login" if 'name="login"' in answer.text else "consent"
            form = {"prompt": prompt, "login": subject, "password": "x"}
            answer = await self.outside.post(str(answer.url.join(action[1])), data=form)
        raise AssertionError("the provider leads nowhere")

    async def back(self, answer: dict[str, str]) -> str:
        """Where the app leads to; the session is in the cookies."""
        done = await self.app.get(CALLBACK, params=answer)
        assert done.status_code == 303
        return done.headers["location"]

    async def post(self, path: str, form: dict[str, str]) -> str:
        """Where the app leads to after another site's form was posted there."""
        done = await self.app.post(path, data=form, headers={"Origin": "https://idp.example.com"})
        assert done.status_code == 303, done.text
        return done.headers["location"]

    async def sign_in(self, subject: str, **query: str) -> str:
        return await self.back(await self.at_provider(await self.start(**query), subject))

    @property
    def is_in(self) -> bool:
        return any(name.endswith("agentflow_session") for name in self.app.cookies)
