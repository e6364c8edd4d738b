"""authlib, the most used OAuth client of Python, through every grant.

It is given what a client is given, as JSON on its first line of stdin; a line `{"open": URL}` asks
whoever started it to send a person's browser there, and the next line of stdin is the address that
the browser came back to. The last line is `{"done": {…}}`, or it ends with an error.
"""

import json
import os
import sys
import time
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from joserfc.jwk import RSAKey

# plain http is for this machine alone
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def say(**members: Any) -> None:
    print(json.dumps(members), flush=True)


def opened(url: str) -> str:
    """Where a person's browser comes back to, that is sent to an address."""
    say(open=url)
    return json.loads(sys.stdin.readline())["came"]


def found(told: dict[str, Any]) -> dict[str, Any]:
    """The metadata of the server, from the resource on."""
    well_known = told["resource"] + "/.well-known/oauth-protected-resource"
    resource = requests.get(well_known, timeout=30).json()
    assert resource["resource"] == told["resource"]
    issuer = resource["authorization_servers"][0]
    metadata = requests.get(get_well_known_url(issuer, external=True), timeout=30).json()
    assert metadata["issuer"] == issuer
    checked = AuthorizationServerMetadata(metadata)
    # authlib wants https everywhere; what it says of the rest counts
    for name in ("response_types_supported", "grant_types_supported", "scopes_supported"):
        getattr(checked, f"validate_{name}")()
    return metadata


def client_of(told: dict[str, Any], metadata: dict[str, Any], method: str) -> OAuth2Session:
    """A client that registered itself."""
    body = {
        "client_name": "authlib",
        "redirect_uris": [told["redirect_uri"]],
        "token_endpoint_auth_method": method,
        "grant_types": ["authorization_code", "refresh_token", DEVICE],
    }
    key = RSAKey.generate_key(2048) if method == "private_key_jwt" else None
    if key is not None:
        body["jwks"] = {"keys": [key.as_dict(private=False)]}
    answer = requests.post(metadata["registration_endpoint"], json=body, timeout=30)
    assert answer.status_code == 201, answer.text
    registered = answer.json()
    client = OAuth2Session(
        registered["client_id"],
        key or registered.get("client_secret"),
        token_endpoint_auth_method=method,
        redirect_uri=told["redirect_uri"],
        scope="read:orders read:profile",
        code_challenge_method="S256",
        default_timeout=30,
    )
    if key is not None:
        client.register_client_auth_method(PrivateKeyJWT(metadata["token_endpoint"]))
    return client


def code(told: dict[str, Any], metadata: dict[str, Any], method: str, *, pushed: bool) -> Any:
    """Code with PKCE, plain or pushed: the client with its tokens."""
    client = client_of(told, metadata, method)
    verifier = "v" * 43 + method.replace("_", "-") + str(pushed)
    url, state = client.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=verifier, resource=told["resource"]
    )
    if pushed:
        answer = client.request(
            "POST",
            metadata["pushed_authorization_request_endpoint"],
            withhold_token=True,
            data=dict(parse_qsl(urlsplit(url).query)),
        )
        assert answer.status_code == 201, answer.text
        pushed_to = {"client_id": client.client_id, "request_uri": answer.json()["request_uri"]}
        url = f"{metadata['authorization_endpoint']}?{urlencode(pushed_to)}"
    came = opened(url)
    assert parse_qs(urlsplit(came).query)["iss"] == [metadata["issuer"]]
    token = client.fetch_token(
        metadata["token_endpoint"],
        authorization_response=came,
        state=state,
        code_verifier=verifier,
        resource=told["resource"],
    )
    assert token["scope"] == "read:orders", token["scope"]
    assert token["expires_in"] == 600
    assert client.get(told["resource"] + "/orders").status_code == 200
    assert client.get(told["resource"] + "/profile").status_code == 403
    return client


def refreshed(told: dict[str, Any], metadata: dict[str, Any], client: Any) -> None:
    # it names what it asked for at first, also where its user left some of that out
    assert client.scope != client.token["scope"]
    before = dict(client.token)
    after = client.refresh_token(metadata["token_endpoint"], before["refresh_token"])
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert after["scope"] == "read:orders"
    assert client.get(told["resource"] + "/orders").status_code == 200


def introspected(told: dict[str, Any], metadata: dict[str, Any], client: Any) -> None:
    app = OAuth2Session(
        told["app_id"], told["api_key"], token_endpoint_auth_method="client_secret_post"
    )
    endpoint, token = metadata["introspection_endpoint"], client.token["access_token"]
    said = app.introspect_token(endpoint, token=token).json()
    assert said["active"] is True
    assert said["aud"] == told["resource"]
    assert said["client_id"] == client.client_id
    refresh = client.token["refresh_token"]
    ended = client.revoke_token(metadata["revocation_endpoint"], token=refresh)
    assert ended.status_code == 200, ended.text
    assert app.introspect_token(endpoint, token=token).json() == {"active": False}
    assert (
        requests.get(
            told["resource"] + "/orders", headers={"Authorization": f"Bearer {token}"}, timeout=30
        ).status_code
        == 401
    )


def device(told: dict[str, Any], metadata: dict[str, Any]) -> None:
    client = client_of(told, metadata, "none")
    asked = {"client_id": client.client_id, "scope": "read:orders", "resource": told["resource"]}
    started = requests.post(
        metadata["device_authorization_endpoint"], data=asked, timeout=30
    ).json()
    opened(started["verification_uri_complete"])
    for _ in range(30):
        time.sleep(started["interval"])
        try:
            client.fetch_token(
                metadata["token_endpoint"], grant_type=DEVICE, device_code=started["device_code"]
            )
        except Exception as error:  # authlib has one class for all codes
            if getattr(error, "error", None) != "authorization_pending":
                raise
        else:
            break
    assert client.get(told["resource"] + "/orders").status_code == 200


def main() -> None:
    told = json.loads(sys.stdin.readline())
    metadata = found(told)
    client = code(told, metadata, "none", pushed=False)
    refreshed(told, metadata, client)
    introspected(told, metadata, client)
    code(told, metadata, "none", pushed=True)
    code(told, metadata, "client_secret_basic", pushed=False)
    refreshed(told, metadata, code(told, metadata, "private_key_jwt", pushed=False))
    device(told, metadata)
    say(done=True)


if __name__ == "__main__":
    main()
