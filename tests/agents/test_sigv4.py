"""Signatures: as in AWS's published test vectors, and as botocore makes them."""

from datetime import UTC, datetime
from string import ascii_letters, digits
from urllib.parse import quote

import httpx2
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from callgate.agents.sigv4 import AwsKey, Credentials, Signable, sign
from callgate.errors import SettingsError

# The vectors' own keys: published, and no one's.
WHEN = datetime(2015, 8, 30, 12, 36, 0, tzinfo=UTC)
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwA"
    "eMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8p"
    "hUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT"
    "38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabI"
    "Qwj2ICCR/oLxBA=="
)


def credentials(token: str = "", service: str = "service") -> Credentials:
    return Credentials(
        id="AKIDEXAMPLE", secret=SECRET, token=token, region="us-east-1", service=service
    )


HOST = {"host": "example.amazonaws.com"}
FORM = {**HOST, "content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("request_", "token", "names", "signature"),
    [
        (
            Signable(method="GET", path="/", headers=HOST),
            "",
            "host;x-amz-date",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            Signable(method="POST", path="/", headers=HOST),
            "",
            "host;x-amz-date",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            Signable(method="GET", path="/", query="Param2=value2&Param1=value1", headers=HOST),
            "",
            "host;x-amz-date",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            Signable(method="POST", path="/", headers=FORM, body=b"Param1=value1"),
            "",
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        (
            Signable(method="POST", path="/", headers=HOST),
            TOKEN,
            "host;x-amz-date;x-amz-security-token",
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        ),
    ],
    ids=["get-vanilla", "post-vanilla", "query-order", "form", "sts-header-before"],
)
def test_a_published_vector_is_signed_as_published(
    request_: Signable, token: str, names: str, signature: str
):
    added = sign(request_, credentials(token), WHEN)
    expected = {
        "x-amz-date": "20150830T123600Z",
        "authorization": (
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            f"SignedHeaders={names}, Signature={signature}"
        ),
    }
    assert added == expected | ({"x-amz-security-token": token} if token else {})


SEGMENT = st.text(ascii_letters + digits + "-_~:/ é%+", min_size=1, max_size=12)
PAIR = st.tuples(SEGMENT, st.text(ascii_letters + "/ é=&", max_size=6))


@given(
    segments=st.lists(SEGMENT, max_size=3),
    pairs=st.lists(PAIR, max_size=3, unique_by=lambda pair: pair[0]),
    body=st.binary(max_size=64),
    token=st.sampled_from(["", TOKEN]),
)
def test_any_request_is_signed_as_the_official_library_does(
    segments: list[str], pairs: list[tuple[str, str]], body: bytes, token: str
):
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
    headers = {"host": "bedrock-runtime.us-east-1.amazonaws.com", "content-type": "a  b"}
    url = f"https://{headers['host']}{path}" + (f"?{query}" if query else "")
    theirs = AWSRequest(method="POST", url=url, data=body, headers={"Content-Type": "a  b"})
    signer = SigV4Auth(
        BotoCredentials("AKIDEXAMPLE", SECRET, token or None), "bedrock", "us-east-1"
    )
    signer.add_auth(theirs)
    when = datetime.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ours = sign(
        Signable(method="POST", path=path, query=query, headers=headers, body=body),
        credentials(token, "bedrock"),
        when,
    )
    assert ours["authorization"] == theirs.headers["Authorization"]


def test_a_request_of_the_client_is_signed_as_the_official_library_does():
    model = quote("arn:aws:bedrock:us-east-1:1:inference-profile/x-v1:0", safe="")
    url = f"https://bedrock-runtime.us-east-1.amazonaws.com/model/{model}/converse"
    kind = {"content-type": "application/json"}
    key = AwsKey(credentials(TOKEN, "bedrock"), source="variables", now=lambda: WHEN)
    request = httpx2.Request("POST", url, headers=kind, content=b"{}")
    signed = next(key.auth_flow(request))
    theirs = AWSRequest(method="POST", url=url, data=b"{}", headers=kind)
    theirs.context["timestamp"] = "20150830T123600Z"
    theirs.headers["X-Amz-Date"] = "20150830T123600Z"
    theirs.headers["X-Amz-Security-Token"] = TOKEN
    official = SigV4Auth(BotoCredentials("AKIDEXAMPLE", SECRET, TOKEN), "bedrock", "us-east-1")
    text = official.string_to_sign(theirs, official.canonical_request(theirs))
    assert signed.headers["authorization"].endswith(f"Signature={official.signature(text, theirs)}")
    assert signed.url.raw_path.decode() == f"/model/{model}/converse"


def test_credentials_are_in_no_representation():
    shown = repr(credentials(TOKEN)) + repr(AwsKey(credentials(TOKEN), source="variables"))
    assert shown == ("Credentials(region='us-east-1', service='service')AwsKey(source='variables')")


def test_credentials_that_no_header_can_carry_are_refused():
    broken = Credentials(id="x", secret="y\n", region="us-east-1", service="bedrock")
    with pytest.raises(SettingsError, match="variables holds no key"):
        AwsKey(broken, source="variables")
