"""Connects with a real libpq 18, named by its path, and says what came of it as one line of JSON.

argv: path of libpq, connection string, SQL, then "token" and a token, or "device": the device flow of the
openid-configuration that the server named (RFC 8628), which prints {"prompt": code} in between.
"""
import ctypes, json, sys, time, urllib.error, urllib.parse, urllib.request

lib = ctypes.CDLL(sys.argv[1])
conninfo, sql, way = sys.argv[2:5]


class Request(ctypes.Structure):
    """PGoauthBearerRequest of libpq-fe.h."""

    _fields_ = [
        ("openid_configuration", ctypes.c_char_p),
        ("scope", ctypes.c_char_p),
        ("run", ctypes.c_void_p),
        ("cleanup", ctypes.c_void_p),
        ("token", ctypes.c_char_p),
        ("user", ctypes.c_void_p),
    ]


PQAUTHDATA_OAUTH_BEARER_TOKEN = 1
asked = []


def say(**what):
    print(json.dumps(what), flush=True)


def ask(url, **form):
    data = urllib.parse.urlencode(form).encode() if form else None
    try:
        with urllib.request.urlopen(url, data, timeout=10) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        return json.load(error)


def device_flow(configuration, scope):
    found = ask(configuration)
    client = {"client_id": "libpq-test"}
    begun = ask(found["device_authorization_endpoint"], scope=scope, **client)
    say(prompt=begun["user_code"])
    grant = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": begun["device_code"]}
    for _ in range(20):
        time.sleep(begun["interval"])
        reply = ask(found["token_endpoint"], **grant, **client)
        if "access_token" in reply:
            return reply["access_token"]
        if reply["error"] not in ("authorization_pending", "slow_down"):
            raise SystemExit(reply["error"])
    raise SystemExit("nobody confirmed it")


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
def hook(kind, _connection, data):
    if kind != PQAUTHDATA_OAUTH_BEARER_TOKEN:
        return 0
    request = ctypes.cast(data, ctypes.POINTER(Request)).contents
    configuration = (request.openid_configuration or b"").decode()
    scope = (request.scope or b"").decode()
    asked.append({"configuration": configuration, "scope": scope})
    token = sys.argv[5] if way == "token" else device_flow(configuration, scope)
    hook.kept = token.encode()
    request.token = hook.kept
    return 1


@ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)
def notice(_arg, text):
    say(notice=text.decode())


for name, kinds, result in [
    ("PQconnectdb", [ctypes.c_char_p], ctypes.c_void_p),
    ("PQstatus", [ctypes.c_void_p], ctypes.c_int),
    ("PQerrorMessage", [ctypes.c_void_p], ctypes.c_char_p),
    ("PQfullProtocolVersion", [ctypes.c_void_p], ctypes.c_int),
    ("PQsslInUse", [ctypes.c_void_p], ctypes.c_int),
    ("PQexec", [ctypes.c_void_p, ctypes.c_char_p], ctypes.c_void_p),
    ("PQgetvalue", [ctypes.c_void_p, ctypes.c_int, ctypes.c_int], ctypes.c_char_p),
    ("PQntuples", [ctypes.c_void_p], ctypes.c_int),
    ("PQfinish", [ctypes.c_void_p], None),
]:
    function = getattr(lib, name)
    function.argtypes, function.restype = kinds, result

lib.PQsetAuthDataHook(hook)
connection = lib.PQconnectdb(conninfo.encode())
if lib.PQstatus(connection) != 0:
    say(error=lib.PQerrorMessage(connection).decode(), asked=asked)
    sys.exit(0)
result = lib.PQexec(connection, sql.encode())
rows = lib.PQntuples(result)
say(
    value=lib.PQgetvalue(result, 0, 0).decode() if rows else None,
    error=lib.PQerrorMessage(connection).decode(),
    protocol=lib.PQfullProtocolVersion(connection),
    tls=lib.PQsslInUse(connection) == 1,
    asked=asked,
)
lib.PQfinish(connection)
