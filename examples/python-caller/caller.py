"""A caller of Greenroom in plain HTTP: opens a session, keeps it while it is used, and ends it.

    GREENROOM_URL=http://127.0.0.1:3000 GREENROOM_API_KEY=... python3 caller.py echo-agent

Standard library only. Real programs join the room with LiveKit's own package (`pip install livekit`) and
`session["livekit"]`.
"""

import json
import os
import random
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid


class GreenroomError(Exception):
    """A refusal. `code` is stable: see docs/errors.md."""

    def __init__(self, problem, status):
        super().__init__(problem.get("detail", f"status {status}"))
        self.code = problem.get("code", "GRN_CLIENT_BAD_ANSWER")
        self.remedy = problem.get("remedy", "")
        self.retry_after_s = problem.get("retryAfterMs", 0) / 1000
        self.retryable = status >= 500 or status in (408, 429)


class Greenroom:
    def __init__(self, url, api_key):
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}

    def call(self, method, path, body=None, headers=None, timeout_s=10):
        """One request. Raises GreenroomError for a refusal and OSError when there is no answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data=data, method=method, headers={**self.headers, **(headers or {})}
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            try:
                problem = json.load(error)
            except ValueError:  # A proxy's page.
                problem = {}
            raise GreenroomError(problem, error.code) from None

    def open(self, request, deadline_s=30):
        """All tries carry one key, so that they mean one session however often an answer is lost."""
        key = {"Idempotency-Key": str(uuid.uuid4())}
        ends_at = time.monotonic() + deadline_s
        for failures in range(1_000):
            try:
                return self.call("POST", "/v1/sessions", request, key, timeout_s=15)
            except (GreenroomError, OSError) as error:
                if isinstance(error, GreenroomError) and not error.retryable:
                    raise
                wait_s = max(getattr(error, "retry_after_s", 0), min(5, 0.2 * 2**failures) * random.random())
                if time.monotonic() + wait_s >= ends_at:
                    raise
                time.sleep(wait_s)


class Heartbeat(threading.Thread):
    """Renews the lease until it is stopped or the session is over; then `over` is set and `reason` says why."""

    def __init__(self, greenroom, session):
        super().__init__(daemon=True)
        self.greenroom, self.session = greenroom, session
        self.over, self.reason = threading.Event(), None

    def run(self):
        path = f"/v1/sessions/{self.session['id']}"
        wait_s = self.session["lease"]["renewAfterMs"] / 1000
        # The random part keeps callers apart that opened their sessions together.
        while not self.over.wait(wait_s * random.uniform(0.8, 1)):
            try:
                answer = self.greenroom.call("POST", f"{path}/renew", {"epoch": self.session["epoch"]})
                wait_s = answer["lease"]["renewAfterMs"] / 1000
            except GreenroomError as error:
                if error.code in ("GRN_SESSION_OVER", "GRN_SESSION_NOT_FOUND", "GRN_STALE_EPOCH"):
                    self.reason = error.code
                    self.over.set()
                wait_s = min(wait_s, 1)
            except OSError:
                wait_s = min(wait_s, 1)  # Two thirds of the lease are left for another try.


def main(agent_type):
    greenroom = Greenroom(os.environ["GREENROOM_URL"], os.environ["GREENROOM_API_KEY"])
    session = greenroom.open({"agentType": agent_type})
    heartbeat = Heartbeat(greenroom, session)
    heartbeat.start()
    try:
        print(f"session {session['id']} on pod {session['pod']['name']}")
        room = session.get("livekit", {}).get("room", "none: LiveKit is not configured")
        print(f"room {room}")
        # Here the program talks with the agent, for as long as it likes.
        heartbeat.over.wait(float(os.environ.get("TALK_SECONDS", "1")))
    finally:
        heartbeat.over.set()
        ended = greenroom.call("DELETE", f"/v1/sessions/{session['id']}?epoch={session['epoch']}&wait=true", timeout_s=70)
        print(f"ended {ended['endReason']}")


if __name__ == "__main__":
    main(*sys.argv[1:2] or ["echo-agent"])
