"""A token, made by the form that a person would use."""

from __future__ import annotations

import httpx

from datahub.core.errors import AuthenticationError


def new_token(web: httpx.Client, account: dict[str, str]) -> str:
    """A new refresh token. Raises AuthenticationError: the account is not taken."""
    web.get("/user/login/")
    form = {"email": account["email"], "password": account["password"]}
    web.post("/user/login/", data=form | {"csrfmiddlewaretoken": web.cookies.get("csrftoken", "")})
    headers = {"X-CSRFToken": web.cookies.get("csrftoken") or ""}
    answer = web.post("/api/token/", headers=headers)
    if answer.status_code == 409:  # made once, and its answer lost: only the first half is shown
        for token in web.get("/api/token/").json():
            web.post("/api/token/blacklist/", headers=headers, json={"refresh": token["token"]})
        answer = web.post("/api/token/", headers=headers)
    if answer.status_code != 201:
        raise AuthenticationError(
            f"Label Studio on {web.base_url} does not accept the account {account['email']}.",
            hint="Was its password changed by hand? Put the new one into credentials.json.",
        )
    return str(answer.json()["token"])
