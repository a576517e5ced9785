"""/auth: sign up, log in, refresh, log out, me."""

from typing import Annotated, Literal

from fastapi import APIRouter, BackgroundTasks, Query, Request, Response
from starlette.background import BackgroundTask

from agentflow_app.accounts import profile, recovery, service
from agentflow_app.accounts.challenges import CHALLENGE_COOKIE, LIFETIME
from agentflow_app.accounts.routes import (
    CookieRoute,
    CurrentActor,
    CurrentTransaction,
    SecretRoute,
    SignInRoute,
    TenantRoute,
)
from agentflow_app.accounts.schemas import (
    LinkFollowed,
    LogIn,
    Me,
    PasskeyAsked,
    PasskeyLogIn,
    PasswordForgot,
    PasswordReset,
    SecondStep,
    SignedIn,
    SignUp,
    Switch,
    Verified,
)
from agentflow_app.accounts.sessions import (
    PAGE_LIFETIME,
    REFRESH_COOKIE,
    REFRESH_LIFETIME,
    SESSION_COOKIE,
    session_cookie,
)
from agentflow_app.accounts.trail import note_failure
from agentflow_app.core.answers import error_response
from agentflow_app.core.origin import origin
from agentflow_app.core.ratelimit import rate_limits
from agentflow_app.core.settings import settings
from agentflow_app.organizations.welcome import welcome

router = APIRouter(prefix="/auth", tags=["auth"], route_class=SignInRoute)
sessions = APIRouter(prefix="/auth", tags=["auth"], route_class=CookieRoute)
own = APIRouter(prefix="/auth", tags=["auth"], route_class=TenantRoute)
switching = APIRouter(prefix="/auth", tags=["auth"], route_class=SecretRoute)
COOKIE_PATH = "/api/v1/auth"
Session = Annotated[
    Literal["token", "page"],
    Query(description="`token` sets the refresh cookie of the API, `page` the session cookie of the web app"),
]


def _secure(request: Request) -> bool:
    """Behind a proxy that ends TLS the request itself says http; then the public address tells."""
    return request.url.scheme == "https" or (settings().public_url or "").startswith("https://")


def _refresh_cookie(request: Request) -> tuple[str, str]:
    """The cookie's name, and the path that it is limited to."""
    return (f"__Secure-{REFRESH_COOKIE}" if _secure(request) else REFRESH_COOKIE), COOKIE_PATH


def _page_cookie(request: Request) -> str:
    return f"__Host-{SESSION_COOKIE}" if _secure(request) else SESSION_COOKIE


def set_cookie(request: Request, response: Response, login: service.Login) -> SignedIn:
    """The body of a login, whose secret goes into the cookie of its kind."""
    secure = _secure(request)
    if login.kind == "page":
        response.set_cookie(
            _page_cookie(request),
            login.secret,
            max_age=int(PAGE_LIFETIME.total_seconds()),
            httponly=True,
            secure=secure,
            samesite="lax",
        )
    else:
        name, path = _refresh_cookie(request)
        response.set_cookie(
            name,
            login.secret,
            max_age=int(REFRESH_LIFETIME.total_seconds()),
            path=path,
            httponly=True,
            secure=secure,
            samesite="strict",
        )
    response.headers["Cache-Control"] = "no-store"
    return login.body


def _challenge_cookie(request: Request) -> str:
    return f"__Secure-{CHALLENGE_COOKIE}" if _secure(request) else CHALLENGE_COOKIE


def set_challenge(request: Request, response: Response, browser: str) -> None:
    """Ties the next step to this browser."""
    response.set_cookie(
        _challenge_cookie(request),
        browser,
        max_age=int(LIFETIME.total_seconds()),
        path=_refresh_cookie(request)[1],
        httponly=True,
        secure=_secure(request),
        samesite="strict",
    )
    response.headers["Cache-Control"] = "no-store"


def _end_challenge(request: Request, response: Response, login: service.Login) -> SignedIn:
    path, secure = _refresh_cookie(request)[1], _secure(request)
    response.delete_cookie(
        _challenge_cookie(request), path=path, secure=secure, httponly=True, samesite="strict"
    )
    return set_cookie(request, response, login)


@router.post("/signup", status_code=201)
async def signup(data: SignUp, request: Request, response: Response, session: Session = "token") -> SignedIn:
    login = await service.sign_up(data, session)
    await welcome(login.actor)
    return set_cookie(request, response, login)


@router.post("/login", response_model=SignedIn)
async def login(
    data: LogIn, request: Request, response: Response, session: Session = "token"
) -> SignedIn | Response:
    """401 SECOND_FACTOR_REQUIRED where the account has one: go on at `/auth/login/second-factor`."""
    try:
        return set_cookie(request, response, await service.log_in(data, session))
    except service.SecondFactorRequired as error:
        refused = error_response(error)
        set_challenge(request, refused, error.browser)
        return refused
    except service.WrongCredentials as error:
        refused = error_response(error)
        refused.background = BackgroundTask(note_failure, data.email)
        return refused


@router.post("/login/second-factor")
async def second_factor(
    data: SecondStep, request: Request, response: Response, session: Session = "token"
) -> SignedIn:
    """With the cookie that the first step set."""
    login = await service.second_step(data, request.cookies.get(_challenge_cookie(request)), session)
    return _end_challenge(request, response, login)


@router.post("/passkey/begin")
async def begin_passkey(request: Request, response: Response) -> PasskeyAsked:
    asked, browser = await service.begin_passkey()
    set_challenge(request, response, browser)
    return asked


@router.post("/passkey")
async def passkey(
    data: PasskeyLogIn, request: Request, response: Response, session: Session = "token"
) -> SignedIn:
    login = await service.log_in_with_passkey(data, request.cookies.get(_challenge_cookie(request)), session)
    return _end_challenge(request, response, login)


@router.post("/password/forgot", status_code=202)
async def forgot_password(data: PasswordForgot, tasks: BackgroundTasks) -> None:
    """Whether there is such an account is not told, also not by the time that this takes."""
    tasks.add_task(recovery.forget_password, data.email)


@router.post("/password/reset", status_code=204)
async def reset_password(data: PasswordReset) -> None:
    await recovery.reset_password(data)


@router.post("/verify")
async def verify(data: LinkFollowed) -> Verified:
    return await profile.follow_link(data.token)


@sessions.post("/refresh")
async def refresh(request: Request, response: Response) -> SignedIn:
    name, _ = _refresh_cookie(request)
    secret = request.cookies.get(name)
    # By session and not by address: a whole office behind one address renews its tokens.
    await rate_limits().sign_in("session", secret or origin.get().address or "")
    return set_cookie(request, response, await service.refresh(secret))


@sessions.post("/logout", status_code=204)
async def logout(request: Request, response: Response) -> None:
    name, path = _refresh_cookie(request)
    page = session_cookie(request.headers.get("cookie", ""))
    await service.log_out(request.cookies.get(name), page)
    response.delete_cookie(name, path=path, secure=_secure(request), httponly=True, samesite="strict")
    response.delete_cookie(_page_cookie(request), secure=_secure(request), httponly=True, samesite="lax")


@own.get("/me")
async def me(actor: CurrentActor, tx: CurrentTransaction) -> Me:
    return await service.me(tx, actor)


@switching.post("/switch")
async def switch(data: Switch, actor: CurrentActor, request: Request, response: Response) -> SignedIn:
    name, _ = _refresh_cookie(request)
    return set_cookie(request, response, await service.switch(actor, data.org_id, request.cookies.get(name)))
