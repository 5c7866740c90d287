"""Requests to the API server, counted the way client-go counts them."""

from __future__ import annotations

from prometheus_client import Counter

from kaito.kube import metrics

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""All that are ever sent; their series exist from the start."""

_RETRIED = ("429", "500", "503")


class Traffic:
    """The series of one API server, their children resolved once."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._answers: dict[tuple[str, str], Counter] = {}
        self._retries: dict[tuple[str, str], Counter] = {}
        self._seconds = {each: metrics.REQUEST_SECONDS.labels(each, host) for each in METHODS}
        self._waits = {each: metrics.REQUEST_WAIT_SECONDS.labels(each, host) for each in METHODS}
        self._sent = {each: metrics.REQUEST_BYTES.labels(each, host) for each in METHODS}
        self._received = {each: metrics.RESPONSE_BYTES.labels(each, host) for each in METHODS}
        for method in METHODS:
            self._answer("200", method)
            for code in _RETRIED:
                self._retry(code, method)

    def waited(self, method: str, seconds: float) -> None:
        """A request had to wait for its turn."""
        self._waits[method].observe(seconds)

    def answered(self, method: str, code: str) -> None:
        """An answer began, or none will come."""
        self._answer(code, method).inc()

    def took(self, method: str, seconds: float) -> None:
        """A request was answered whole, or given up."""
        self._seconds[method].observe(seconds)

    def carried(self, method: str, *, sent: int, received: int) -> None:
        """The bytes of the bodies."""
        self._sent[method].observe(sent)
        self._received[method].observe(received)

    def retried(self, method: str, code: str) -> None:
        """A request is sent again."""
        self._retry(code, method).inc()

    def _answer(self, code: str, method: str) -> Counter:
        key = (code, method)
        if key not in self._answers:
            self._answers[key] = metrics.REQUESTS.labels(code, method, self._host)
        return self._answers[key]

    def _retry(self, code: str, method: str) -> Counter:
        key = (code, method)
        if key not in self._retries:
            self._retries[key] = metrics.REQUEST_RETRIES.labels(code, method, self._host)
        return self._retries[key]
