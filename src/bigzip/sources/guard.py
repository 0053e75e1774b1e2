"""Which hosts may be talked to, and at which addresses: no URL makes this machine a way into its own network.

A host must be on a list that is empty at first. Its name is resolved once, each address is checked, and the connection
is made to an address that was checked, so a name that resolves to something else a moment later gains nothing
(rebinding). Whoever follows a redirect asks again for each hop.
"""

import re
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple, Self

from bigzip.errors import InputError, SourceMissing, SourceReadError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_DEFAULT_PORTS: Final = (80, 443)
_ANY_HOST: Final = "*"
_ANY_BELOW: Final = "*."

# What `is_global` of some supported Python lets pass, and leads inside or nowhere.
_DENIED: Final = tuple(
    map(
        ip_network,
        (
            "168.63.129.16/32",  # Azure's own services, seen from a virtual machine
            "192.88.99.0/24",  # 6to4 relays (RFC 7526)
            "192.31.196.0/24",  # AS112: a sink, wherever it is
            "192.52.193.0/24",  # AMT relays
            "192.175.48.0/24",  # AS112
            "224.0.0.0/4",  # multicast
            "::/96",  # IPv4 in disguise, deprecated (RFC 4291)
            "64:ff9b:1::/48",  # NAT64 inside one network (RFC 8215)
            "2001::/23",  # protocol assignments, Teredo among them
            "2002::/16",  # 6to4: an IPv4 address in disguise, of a dead protocol
            "3fff::/20",  # documentation (RFC 9637)
            "5f00::/16",  # segment routing (RFC 9602)
            "fec0::/10",  # site-local, deprecated
            "ff00::/8",  # multicast
        ),
    )
)
_NAT64: Final = ip_network("64:ff9b::/96")
"""The whole IPv4 Internet as IPv6-only networks see it (RFC 6052): the address within counts."""
_ISATAP_INTERFACES: Final = (0x00005EFE, 0x02005EFE)
_HOST: Final = re.compile(
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>\*|(?:\*\.)?[^*:/@\[\]\s]+))"
    r"(?::(?:(?P<port>[0-9]{1,5})|(?P<any_port>\*)))?"
)


class _Host(NamedTuple):
    """An entry of the list of hosts."""

    name: str
    ports: tuple[int, ...] | None
    """None: any."""

    @classmethod
    def of(cls, text: str) -> Self:
        """The entry `example.org`, `*.example.org`, `example.org:8443` or `*`.

        Raises:
            InputError: it is none of these.
        """
        match = _HOST.fullmatch(text)
        if match is None or not 0 < int(match["port"] or 1) < 1 << 16:
            raise InputError(f"{text!r} is no host: give a name, *.name, an address (IPv6 in brackets) or *; and :port")
        ports = None if match["any_port"] else (int(match["port"]),) if match["port"] else _DEFAULT_PORTS
        return cls(normalised_host(match["address"] or match["name"]), ports)

    def covers(self, host: str, port: int) -> bool:
        """Whether a connection to `host`, which is normalised, is meant by this entry."""
        if self.ports is not None and port not in self.ports:
            return False
        if self.name.startswith(_ANY_BELOW):
            return host.endswith(self.name[1:]) and len(host) > len(self.name) - 1
        return self.name in (_ANY_HOST, host)


class Guard:
    """The hosts and addresses that may be talked to. Immutable.

    Args:
        hosts: `example.org`, `*.example.org` for all names below it, either with `:port` where it is neither 80 nor
            443 or with `:*` for any, or `*` for all names. Nothing else is ever connected to.
        networks: such as `10.1.0.0/16`: addresses in them are allowed although they are not public.
    """

    def __init__(self, hosts: Iterable[str] = (), networks: Iterable[str] = ()) -> None:
        self._hosts = tuple(map(_Host.of, hosts))
        try:
            self._networks = tuple(map(ip_network, networks))
        except ValueError as error:
            raise InputError(f"{error}; give networks like 10.1.0.0/16") from error

    def check_host(self, host: str, port: int) -> None:
        """See whether a host is on the list; asks nobody.

        Raises:
            InputError: it is not.
        """
        name = normalised_host(host)
        if not any(entry.covers(name, port) for entry in self._hosts):
            shown = name if port in _DEFAULT_PORTS else f"{name}:{port}"
            raise InputError(f"{shown} is not among the hosts that may be read from; allow it if it should be")

    def addresses(self, host: str, port: int) -> Sequence[Address]:
        """The addresses to connect to, in the order to try them: each was checked.

        Raises:
            InputError: the host is not on the list.
            SourceMissing: its name leads to an address that may not be connected to; the same error as for no name.
            SourceReadError: the name could not be resolved just now.
        """
        self.check_host(host, port)
        try:
            found = socket.getaddrinfo(normalised_host(host), port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise SourceReadError(f"the name {host} cannot be resolved just now") from error
            raise SourceMissing("is not there, or may not be read") from error
        addresses = list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))
        if not addresses or not all(map(self.allows, addresses)):
            raise SourceMissing("is not there, or may not be read")
        return addresses

    def allows(self, address: Address) -> bool:
        """Whether an address may be connected to."""
        return all(any(part in network for network in self._networks) or is_public(part) for part in unwrapped(address))


def is_public(address: Address) -> bool:
    """Whether an address, none of whose bits are another one, is of a host on the public Internet."""
    return address.is_global and not any(address in network for network in _DENIED)


def unwrapped(address: Address) -> list[Address]:
    """The address that is meant, and those that are hidden in it: all of them have to be allowed."""
    if isinstance(address, IPv4Address):
        return [address]
    low = int(address) & 0xFFFFFFFF
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in _NAT64:
        return [IPv4Address(low)]
    if address.scope_id is not None:
        address = IPv6Address(int(address))
    found: list[Address] = [address]
    if int(address) >> 32 & 0xFFFFFFFF in _ISATAP_INTERFACES:
        found.append(IPv4Address(low))
    return found


def normalised_host(host: str) -> str:
    """A host's name as it is compared: lower case, without a dot at the end, in ASCII.

    Raises:
        InputError: it is no name.
    """
    name = host.removesuffix(".").lower()
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise InputError(f"{host!r} is no host name") from error
