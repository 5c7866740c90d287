"""The API server's verbs, typed by Resource.

kubernetes_asyncio reads the configuration and the credentials (kubeconfig with client
certificates, token files and exec plugins; the ServiceAccount of a pod). Nothing else
of it is used, and nobody else uses it. It is imported when a connection is made,
because the import takes half a second and 50 MB.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import pydantic_core

from kaito.kube.answers import decoded
from kaito.kube.clock import SYSTEM_CLOCK, Clock
from kaito.kube.decoding import (
    Listing,
    Page,
    decode_answer,
    joined,
    labels_of,
    page,
    ref_of,
    version_of,
)
from kaito.kube.errors import Conflict, Expired, NotFound
from kaito.kube.gate import Write, note
from kaito.kube.objects import KubeObject, Manifest, Ref
from kaito.kube.ownership import Entry, entries_of
from kaito.kube.quiet import Quiet
from kaito.kube.resource import Resource
from kaito.kube.token import RotatingToken
from kaito.kube.transport import Call, Endpoint, Transport, Wire
from kaito.kube.versions import checked

T = TypeVar("T", bound=KubeObject)

PAGE_COUNT = 500
_STRICT = {"fieldValidation": "Strict"}


class Client:
    """Reads and writes objects; every failure is a KubeError.

    Attributes:
        field_manager: who we are in managedFields.
        clock: time and chance of everything that is built upon this client.
        guard: raises unless this process may act; a Writer asks it right before each write.
        quiet: whether requests are under way.
    """

    def __init__(self, transport: Wire, *, field_manager: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self._transport = transport
        self.field_manager = field_manager
        self.clock = clock
        self.guard: Callable[[], None] = _always
        self.quiet = Quiet()

    @classmethod
    async def connect(
        cls,
        *,
        user_agent: str,
        field_manager: str,
        kubeconfig: str = "",
        context: str = "",
        max_in_flight: int = 32,
        clock: Clock = SYSTEM_CLOCK,
    ) -> Client:
        """Make a client; no request is sent yet.

        Args:
            user_agent: name and version of this program.
            field_manager: owner of the fields that we apply; constant over versions.
            kubeconfig: path of a kubeconfig; "" means the pod's own ServiceAccount.
            context: which of its contexts; "" means its current one.
            max_in_flight: requests at a time; watches and leases are not counted.
            clock: of the client, and of everything that is built upon it.
        """
        transport = Transport(
            await _endpoint(kubeconfig, context, clock),
            user_agent=user_agent,
            max_in_flight=max_in_flight,
            clock=clock,
        )
        return cls(transport, field_manager=field_manager, clock=clock)

    async def get(self, resource: Resource[T], ref: Ref) -> T | None:
        """The object as the API server has it now, None when there is none."""
        try:
            return decode_answer(resource, await self.request("GET", resource.path(ref)))
        except NotFound:
            return None

    async def managed_fields(self, resource: Resource[T], ref: Ref) -> Sequence[Entry]:
        """Who owns which fields of an object; nobody owns any of one that is not there."""
        try:
            return entries_of(await self.request("GET", resource.path(ref)))
        except NotFound:
            return ()

    async def list(
        self, resource: Resource[T], *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> tuple[T, ...]:
        """All objects that match; those that do not fit the type are logged and left out."""
        selectors = {"labelSelector": labels, "fieldSelector": fields}
        listing = await self.listing(resource, namespace=namespace, params=selectors)
        return listing.items

    async def listing(
        self, resource: Resource[T], *, namespace: str = "", params: Mapping[str, str]
    ) -> Listing[T]:
        """A whole collection with its resourceVersion, read in pages.

        Args:
            resource: what to list.
            namespace: "" means all.
            params: query of the first page; empty values are left out.

        Raises:
            Expired: `params` asked for a resourceVersion that cannot be served.
        """
        path = resource.path(namespace=namespace)
        query = {key: value for key, value in params.items() if value}
        pages = [await self._page(resource, path, _first_page(query))]
        try:
            while pages[-1].token:
                further = _further_page(query, pages[-1].token)
                pages.append(await self._page(resource, path, further))
        except Expired:
            # The token outlived its snapshot: one whole list replaces all the pages.
            pages = [await self._page(resource, path, query)]
        return joined(pages)

    async def create(self, resource: Resource[T], manifest: Manifest, *, strict: bool = False) -> T:
        """Create an object.

        Args:
            resource: its kind.
            manifest: the object.
            strict: have fields refused that no schema has; otherwise the server drops them.

        Raises:
            AlreadyExists: there is one of that name.
            Invalid: it is refused; of a field that is not known, `strict` was on.
        """
        path = resource.path(namespace=ref_of(manifest).namespace)
        body = _typed(resource, manifest)
        params = {"fieldManager": self.field_manager, **(_STRICT if strict else {})}
        return _written(resource, await self.request("POST", path, params=params, body=body))

    async def replace(self, resource: Resource[T], manifest: Manifest) -> T:
        """Write a whole object; with a resourceVersion in it, only over that version.

        Raises:
            Conflict: the object has changed since.
        """
        path = resource.path(ref_of(manifest))
        body = _typed(resource, manifest)
        params = {"fieldManager": self.field_manager}
        return _written(resource, await self.request("PUT", path, params=params, body=body))

    async def apply(
        self,
        resource: Resource[T],
        manifest: Manifest,
        *,
        subresource: str = "",
        force: bool = True,
    ) -> T:
        """Server-side apply: the object has these fields, and they are ours.

        A field that an earlier apply of ours named and this one does not is removed.

        Raises:
            Conflict: another manager owns a field and `force` is off.
        """
        path = resource.path(ref_of(manifest), subresource=subresource)
        params = {"fieldManager": self.field_manager, "force": str(force).lower()}
        answer = await self.request(
            "PATCH",
            path,
            params=params,
            body=_typed(resource, manifest),
            content_type="application/apply-patch+yaml",
        )
        return _written(resource, answer)

    async def merge_patch(
        self, resource: Resource[T], ref: Ref, patch: Manifest, *, subresource: str = ""
    ) -> T:
        """Overwrite the named fields; None removes one; lists are replaced whole."""
        answer = await self.request(
            "PATCH",
            resource.path(ref, subresource=subresource),
            params={"fieldManager": self.field_manager},
            body=patch,
            content_type="application/merge-patch+json",
        )
        return _written(resource, answer)

    async def json_patch(
        self, resource: Resource[T], ref: Ref, patch: Sequence[Manifest], *, subresource: str = ""
    ) -> T:
        """Carry out RFC 6902 operations; a `test` that fails is Invalid."""
        answer = await self.request(
            "PATCH",
            resource.path(ref, subresource=subresource),
            params={"fieldManager": self.field_manager},
            body=list(patch),
            content_type="application/json-patch+json",
        )
        return _written(resource, answer)

    async def delete(
        self,
        resource: Resource[T],
        ref: Ref,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: str = "Background",
        grace_seconds: int | None = None,
    ) -> bool:
        """Ask for deletion; finalizers may hold it up.

        Args:
            resource: its kind.
            ref: the object.
            uid: delete only the object that has it, not a later one of the same name.
            resource_version: delete it only as long as it has not changed since.
            propagation: what becomes of dependents.
            grace_seconds: time for pods to end; None is the pod's own.

        Returns:
            False when it (or the one with that uid) was already gone.

        Raises:
            Conflict: a `resource_version` was given, and this is another version or object.
        """
        options: dict[str, object] = {"propagationPolicy": propagation}
        wanted = {"uid": uid, "resourceVersion": resource_version}
        if uid or resource_version:
            options["preconditions"] = {key: value for key, value in wanted.items() if value}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            answer = await self.request("DELETE", resource.path(ref), body=options)
        except NotFound:
            note(Write(resource, ref, uid, ""))
            return False
        except Conflict:
            if uid and not resource_version:
                return False
            raise
        note(Write(resource, ref, uid, version_of(answer), labels_of(answer)))
        return True

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> object:
        """One request: what is not None in `body` goes as JSON, the answer comes decoded.

        Raises:
            KubeError: see `kaito.kube.errors`; Undecodable when the answer is not JSON.
        """
        data = None if body is None else pydantic_core.to_json(body, fallback=_plain)
        with self.quiet.broken():
            call = Call(method, path, params or {}, data, content_type)
            return decoded(await self._transport.send(call))

    async def _page(self, resource: Resource[T], path: str, params: Mapping[str, str]) -> Page[T]:
        """One page, decoded before the next is asked for: the loop turns in between."""
        return page(resource, await self.request("GET", path, params=params))

    def stream(
        self, path: str, *, params: Mapping[str, str], idle_seconds: float, total_seconds: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The lines of a watch, until either side ends it; see `Transport.stream`."""
        return self._transport.stream(
            Call("GET", path, params), idle_seconds=idle_seconds, total_seconds=total_seconds
        )

    async def proxied(self, path: str, *, body: object = None) -> object:
        """The JSON with which something behind a proxy path answers a GET, or a POST of `body`."""
        return await self.request("GET" if body is None else "POST", path, body=body)

    def answering(
        self, path: str, *, body: object, idle_seconds: float, total_seconds: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The lines with which something behind a proxy path answers what is posted to it."""
        call = Call("POST", path, body=pydantic_core.to_json(body))
        return self._transport.stream(call, idle_seconds=idle_seconds, total_seconds=total_seconds)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()


def _always() -> None:
    """The guard of a process that shares its work with nobody."""


def _written(resource: Resource[T], answer: object) -> T:
    """The object that a write left, noted for whoever must not look at an older one."""
    item = decode_answer(resource, answer)
    version = checked(item.metadata.resource_version)
    note(Write(resource, item.ref, item.metadata.uid, version, item.metadata.labels))
    return item


def _first_page(query: Mapping[str, str]) -> Mapping[str, str]:
    """The query with a limit, unless it names a version: those lists are served whole."""
    if query.get("resourceVersion", "0") != "0":
        return query
    return {**query, "limit": str(PAGE_COUNT)}


def _further_page(query: Mapping[str, str], token: str) -> Mapping[str, str]:
    """The query of the page after `token`, which stands for the version, too."""
    asked = {key: value for key, value in query.items() if not key.startswith("resourceVersion")}
    return {**asked, "limit": str(PAGE_COUNT), "continue": token}


def _typed(resource: Resource[T], manifest: Manifest) -> Manifest:
    """The manifest with the type that it must carry on the wire."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, **manifest}


def _plain(value: object) -> object:
    """What to_json makes of a type that it does not know."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


async def _endpoint(kubeconfig: str, context: str, clock: Clock) -> Endpoint:
    """Address and credentials, from the kubeconfig or from the pod that we run in."""
    import kubernetes_asyncio

    config: Any = kubernetes_asyncio.config
    configuration: Any = kubernetes_asyncio.client.Configuration()
    loader: Any = None

    async def read(refused: str) -> str:
        nonlocal loader
        try:
            if not kubeconfig:
                config.load_incluster_config(client_configuration=configuration)
            elif loader is None:
                loader = await config.load_kube_config(
                    kubeconfig,
                    context=context or None,
                    client_configuration=configuration,
                    persist_config=False,
                )
            else:
                if refused:
                    # A plugin's token would count as good until the time that it named.
                    vars(loader).pop("exec_plugin_expiry", None)
                await loader.load_and_set(configuration)
        except config.ConfigException as error:
            raise ValueError(f"no usable credentials: {error}") from error
        # Token files often end in a newline, which no header may hold.
        return str(configuration.api_key.get("BearerToken", "")).strip()

    authorization = RotatingToken(await read(""), read, clock=clock)
    return Endpoint(
        url=configuration.host,
        authorization=authorization,
        tls=_tls(configuration),
        proxy=configuration.proxy or "",
        server_name=configuration.tls_server_name or "",
    )


def _tls(configuration: Any) -> ssl.SSLContext | None:
    """How to check the server, and our own certificate if we have one."""
    if not configuration.host.startswith("https:"):
        return None
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
