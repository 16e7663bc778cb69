"""A pod's side of Greenroom's agent contract, in one file to copy: Python 3.11 or newer, and `cryptography`.

A pod takes one session in its life: it listens, is assigned, works, and leaves. `serve(work)` does all of it; `work` runs
in a thread of its own once a session is there. `greenroom agent-check` tries every rule of the contract on it.
"""

import base64
import hashlib
import json
import os
import random
import signal
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAX_BODY_BYTES = 256 * 1024
# So much of a body that is too large is read and dropped, so that its sender sees the 413 and not a reset.
MAX_DISCARDED_BYTES = 1024 * 1024
# A pod is killed 30 s after SIGTERM.
GRACE_SECONDS = 25
CALL_TIMEOUT_SECONDS = 5
FIRST_RETRY_SECONDS = 0.25
# Answers that mean that the session is no longer this pod's.
OVER_CODES = {"GRN_STALE_EPOCH", "GRN_SESSION_OVER", "GRN_SESSION_NOT_FOUND"}


def log(message, **keys):
    """One line of JSON. Never give it a secret or a token."""
    print(json.dumps({"level": "info", "msg": message, **keys}), flush=True)


class Refusal(Exception):
    """Answered with this status and code. The text must not quote what was read."""

    def __init__(self, status, code, detail=""):
        super().__init__(detail or code)
        self.status, self.code, self.detail = status, code, detail


class Verifier:
    """Checks the bearer token of /assign, /confirm and /end against this pod and the very bytes of the body."""

    def __init__(self, key_set, pod_uid):
        self._pod_uid = pod_uid
        self._keys = {
            key["kid"]: Ed25519PublicKey.from_public_bytes(_decode(key["x"]))
            for key in json.loads(key_set)["keys"]
        }

    def claims_of(self, authorization, raw_body):
        try:
            scheme, _, token = (authorization or "").partition(" ")
            head, payload, signature = token.split(".")
            header = json.loads(_decode(head))
            # The header may not choose the algorithm: EdDSA and nothing else.
            if scheme.lower() != "bearer" or header["alg"] != "EdDSA":
                raise ValueError
            self._keys[header["kid"]].verify(_decode(signature), f"{head}.{payload}".encode())
            claims = json.loads(_decode(payload))
            body_hash = base64.urlsafe_b64encode(hashlib.sha256(raw_body).digest()).rstrip(b"=").decode()
            right = claims["aud"] == self._pod_uid and claims["bodyHash"] == body_hash and claims["exp"] > time.time()
            if not right:
                raise ValueError
            return claims["sub"], claims["epoch"]
        except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature):
            raise Refusal(401, "AGENT_UNAUTHENTICATED") from None


def _decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Session:
    """What `work` sees of the session it serves."""

    def __init__(self, assignment):
        self.id, self.epoch = assignment["sessionId"], assignment["epoch"]
        self.metadata = assignment.get("metadata", {})
        self.secrets = assignment.get("secrets", {})
        # {url, room, token, expiresAt}; a repeated assignment replaces it. None without LiveKit.
        self.livekit = assignment.get("livekit")
        # Set when the session is over for this pod, for any reason.
        self.over = threading.Event()
        self._lease_seconds = assignment["leaseMs"] / 1000
        self._token = assignment["sessionToken"]
        self._base = assignment.get("apiUrl")

    def joined(self):
        """Says that the agent is in its room. Without it the session is ended after the type's `joinSeconds`."""
        self._until_answered(lambda: self._call("POST", "/joined", {"epoch": self.epoch}))

    def finish(self, reason):
        """The agent is done. The session server ends the session and then sends POST /end."""
        query = urllib.parse.urlencode({"epoch": self.epoch, "reason": reason})
        self._until_answered(lambda: self._call("DELETE", f"?{query}"))

    def fresh_livekit(self):
        """Asks for a new room token: the one before is good for 10 minutes."""
        self.livekit = self._call("POST", "/token", {}).get("livekit", self.livekit)
        return self.livekit

    def keep_lease(self, on_over):
        """Renews until the session is over. Without an apiUrl the caller holds the lease."""
        wait, failures = self._lease_seconds / 3, 0
        # Spread, so that pods that were assigned together do not renew together.
        while self._base and not self.over.wait(wait * random.uniform(0.9, 1)):
            try:
                answer = self._call("POST", "/renew", {"epoch": self.epoch})
                wait, failures = answer["lease"]["renewAfterMs"] / 1000, 0
            except SessionOver as over:
                on_over(str(over))
                return
            except (OSError, ValueError, KeyError, TypeError) as error:
                failures += 1
                wait = min(FIRST_RETRY_SECONDS * 2**failures, self._lease_seconds / 3)
                log("lease not renewed", session=self.id, failures=failures, reason=type(error).__name__)

    def _until_answered(self, call):
        wait = FIRST_RETRY_SECONDS
        while self._base:
            try:
                call()
                return
            except SessionOver:
                return
            except (OSError, ValueError):
                if self.over.wait(wait):
                    return
                wait = min(wait * 2, 5)

    def _call(self, method, path, body=None):
        request = urllib.request.Request(
            f"{self._base.rstrip('/')}/v1/sessions/{urllib.parse.quote(self.id, safe='')}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {self._token}", "content-type": "application/json"},
        )
        try:
            with _opener.open(request, timeout=CALL_TIMEOUT_SECONDS) as response:
                return json.loads(response.read() or b"{}")
        except urllib.error.HTTPError as error:
            code = _code_of(error.read(64 * 1024))
            # The code is required too: a proxy's 404 must not end a session.
            if error.code in (404, 409, 410) and code in OVER_CODES:
                raise SessionOver(code) from None
            raise


class SessionOver(Exception):
    """The session server says that the session ended or belongs to another epoch."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The session token goes to the session server and nowhere else."""

    def redirect_request(self, *_):
        return None


_opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


def _code_of(text):
    try:
        return json.loads(text).get("code")
    except (ValueError, AttributeError):
        return None


class Agent:
    """One pod: idle, then serving one session, then leaving. Every change of state is made under the lock."""

    def __init__(self, work):
        self.pod_uid = os.environ["GREENROOM_POD_UID"]
        self.agent_type = os.environ.get("GREENROOM_AGENT_TYPE")
        self.verifier = Verifier(os.environ["GREENROOM_ASSIGN_KEYS"], self.pod_uid)
        self.left = threading.Event()
        self._work = work
        self._worker = None
        self._lock = threading.Lock()
        self._session = None
        self._sealed = False

    @property
    def is_ready(self):
        return not self.left.is_set() and not self._sealed

    def assign(self, assignment):
        if assignment["podUid"] != self.pod_uid:
            raise Refusal(401, "AGENT_UNAUTHENTICATED")
        if self.agent_type and assignment["agentType"] != self.agent_type:
            raise Refusal(409, "AGENT_OTHER_TYPE")
        with self._lock:
            session = self._session
            if session and (session.id, session.epoch) != (assignment["sessionId"], assignment["epoch"]):
                raise Refusal(409, "AGENT_OTHER_SESSION")
            if self.left.is_set() or self._sealed:
                raise Refusal(409 if session else 503, "AGENT_ENDING" if session else "AGENT_NOT_READY")
            if session:
                # A repeat brings nothing new but room access.
                session.livekit = assignment.get("livekit", session.livekit)
                return
            self._session = session = Session(assignment)
        log("assigned", session=session.id, epoch=session.epoch)
        threading.Thread(target=session.keep_lease, args=(self.leave,), daemon=True).start()
        self._worker = threading.Thread(target=self._run, args=(session,), daemon=True)
        self._worker.start()

    def _run(self, session):
        try:
            self._work(session)
        except Exception as error:  # The type alone: its text may quote a secret.
            log("work failed", session=session.id, error=type(error).__name__)
            session.finish(f"agent failed: {type(error).__name__}")

    def confirm(self, question):
        """Whether this pod serves that session. The last question to a pod without one leaves it without one."""
        with self._lock:
            session = self._session
            self._sealed = self._sealed or (question["seal"] and not session)
            if not session or (session.id, session.epoch) != (question["sessionId"], question["epoch"]):
                raise Refusal(404, "AGENT_UNASSIGNED")

    def end(self, order):
        with self._lock:
            session = self._session
            if not session or (session.id, session.epoch) != (order["sessionId"], order["epoch"]):
                raise Refusal(409, "AGENT_OTHER_SESSION")
        # After the answer: the process may be gone before it is sent.
        return lambda: self.leave(order["reason"])

    def leave(self, reason):
        log("leaving", reason=reason)
        with self._lock:
            self.left.set()
            if self._session:
                self._session.over.set()

    def wait(self):
        """Returns when the pod is to go and `work` has returned, or the grace time is over."""
        self.left.wait()
        if self._worker:
            self._worker.join(GRACE_SECONDS)


def _read_form(raw_body, texts):
    """The body, if it is an object with an epoch and these texts."""
    try:
        body = json.loads(raw_body)
    except (ValueError, RecursionError):
        raise Refusal(400, "AGENT_BAD_JSON") from None
    # bool is an int in Python.
    formed = isinstance(body, dict) and type(body.get("epoch")) is int and body["epoch"] >= 1
    if not formed or not all(isinstance(body.get(name), str) for name in texts):
        raise Refusal(400, "AGENT_BAD_REQUEST")
    return body


ASSIGNMENT_TEXTS = ("sessionId", "podUid", "agentType", "room", "sessionToken")
CONFIRM_TEXTS = ("sessionId",)
END_TEXTS = ("sessionId", "reason")


class Handler(BaseHTTPRequestHandler):
    """One request a connection, one thread a connection: a slow client holds up nobody else."""

    agent: Agent
    metrics = None
    # Seconds. A request that does not become complete ends after it.
    timeout = 10

    def do_GET(self):
        if self.path == "/health":
            self._answer(200, {"status": "healthy"})
        elif self.path == "/ready":
            ready = self.agent.is_ready
            self._answer(200 if ready else 503, {"status": "ready" if ready else "not ready"})
        elif self.path == "/metrics" and self.metrics:
            self._send(200, self.metrics.text().encode(), "text/plain; version=0.0.4; charset=utf-8")
        else:
            self._answer(404, {"code": "AGENT_NOT_FOUND"})

    def do_POST(self):
        try:
            if self.path == "/assign":
                self._order(self.agent.assign, ASSIGNMENT_TEXTS)
            elif self.path == "/confirm":
                self._order(self.agent.confirm, CONFIRM_TEXTS)
            elif self.path == "/end":
                self._order(self.agent.end, END_TEXTS)
            else:
                raise Refusal(404, "AGENT_NOT_FOUND")
        except Refusal as refusal:
            self._answer(refusal.status, {"status": refusal.status, "code": refusal.code})

    def _order(self, take, texts):
        raw_body = self._read()
        subject = self.agent.verifier.claims_of(self.headers.get("authorization"), raw_body)
        body = _read_form(raw_body, texts)
        if texts is ASSIGNMENT_TEXTS and type(body.get("leaseMs")) is not int:
            raise Refusal(400, "AGENT_BAD_REQUEST")
        if texts is CONFIRM_TEXTS and type(body.get("seal")) is not bool:
            raise Refusal(400, "AGENT_BAD_REQUEST")
        if subject != (body["sessionId"], body["epoch"]):
            raise Refusal(401, "AGENT_UNAUTHENTICATED")
        after = take(body)
        echo = {"podUid": self.agent.pod_uid, "sessionId": body["sessionId"], "epoch": body["epoch"]}
        # This agent answers /confirm, so its sessions open without another wait for PostgreSQL.
        self._answer(200, {**echo, "confirms": True})
        if after:
            after()

    def _read(self):
        length = self.headers.get("content-length", "")
        if not length.isascii() or not length.isdigit():
            raise Refusal(411, "AGENT_BAD_REQUEST")
        if int(length) > MAX_BODY_BYTES:
            self.rfile.read(min(int(length), MAX_DISCARDED_BYTES))
            raise Refusal(413, "AGENT_BODY_TOO_LARGE")
        return self.rfile.read(int(length))

    def _answer(self, status, content):
        kind = "application/json" if status < 400 else "application/problem+json"
        self._send(status, json.dumps(content).encode(), kind)

    def _send(self, status, body, kind):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """No line for each probe."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # As many connections may wait as a session server and a kubelet would ever open at once.
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A client that went away is no news, and a traceback may quote a body."""
        log("request failed", error=sys.exc_info()[0].__name__)


def serve(work, metrics=None):
    """Serves one session by `work(session)`, then returns. `work` has to return soon after `session.over` is set."""
    agent = Agent(work)
    Handler.agent, Handler.metrics = agent, metrics
    # 0.0.0.0: all addresses of the pod. Where agents run as plain processes each is given one of its own.
    server = Server((os.environ.get("GREENROOM_LISTEN_ADDRESS", "0.0.0.0"), 8080), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=agent.leave, args=("SIGTERM",)).start())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    log("listening", address=server.server_address[0])
    agent.wait()
