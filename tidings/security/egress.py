"""Where a user's webhooks and mail may go: not to this machine, its network, or whatever guards a cloud's keys.

Pure: it judges one address and port. The caller asks with the very address that the socket is about to connect
to, after the name was resolved, each time; a name that was harmless when it was checked may lead elsewhere by then.

The blocks are those of IANA's registries of special-purpose addresses (RFC 6890 and what came after), written out:
`ipaddress.is_global` has changed its mind between patch releases of Python. Of IPv6, only 2000::/3 is in use as global
unicast (RFC 4291); everything outside of it is refused without a name of its own.
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import msgspec

from tidings.domain.addresses import LAST_PORT, LOOPBACK, Address, Network, networks, port_ranges
from tidings.settings import Settings

_REFUSED: Final[Mapping[str, Sequence[Network]]] = {
    kind: [ip_network(block) for block in blocks]
    for kind, blocks in {
        "loopback": ["127.0.0.0/8", "::1"],
        "unspecified": ["0.0.0.0/8", "::"],
        "private": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"],
        "link-local": ["169.254.0.0/16", "fe80::/10"],
        "shared (CGNAT)": ["100.64.0.0/10"],
        # Azure's; the metadata services of other clouds are in the blocks above.
        "metadata": ["168.63.129.16"],
        "multicast": ["224.0.0.0/4", "ff00::/8"],
        # Addresses that are a way to another one.
        "tunnel": ["::/96", "2002::/16", "2001::/32", "64:ff9b:1::/48", "192.88.99.0/24"],
        "reserved": [
            "192.0.0.0/24",
            "192.0.2.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "240.0.0.0/4",
            "2001::/23",
            "2001:db8::/32",
            "3fff::/20",
        ],
    }.items()
}
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")


class Egress(msgspec.Struct, frozen=True):
    """What may be connected to: public addresses, and what `networks` opens; in both, `ports` only."""

    networks: tuple[Network, ...] = ()
    ports: tuple[range, ...] = (range(1, LAST_PORT + 1),)
    public: bool = True
    """Whether public addresses are open too."""

    def opens(self, port: int) -> bool:
        """Whether a socket may connect to this port, of any address."""
        return any(port in ports for ports in self.ports)

    def check(self, ip: str, port: int) -> str | None:
        """Returns why a socket may not connect there, or None where it may. Refuses text that is not an address."""
        if not self.opens(port):
            return f"port {port} is not open"
        try:
            address = _real(ip_address(ip.partition("%")[0]))
        except ValueError:
            return "not an IP address"
        if any(address in network for network in self.networks):
            return None
        for kind, blocks in _REFUSED.items():
            if any(address in block for block in blocks):
                return f"{kind} address"
        if address.version == 6 and address not in _GLOBAL_UNICAST:  # noqa: PLR2004
            return "reserved address"
        return None if self.public else "public address"


def webhook_egress(settings: Settings) -> Egress:
    """Where webhooks may go, by `WEBHOOK_ALLOW_CIDRS` and `WEBHOOK_ALLOW_PORTS`."""
    return Egress(networks(settings.webhook_allow_cidrs), port_ranges(settings.webhook_allow_ports))


def plain_webhook_egress(settings: Settings) -> Egress:
    """Where webhooks may go without TLS: the networks that `WEBHOOK_ALLOW_CIDRS` opens."""
    return msgspec.structs.replace(webhook_egress(settings), public=False)


def loopback_egress(settings: Settings) -> Egress:
    """Where the operator's own webhooks may go on this machine: nowhere, if others are involved."""
    own = LOOPBACK if settings.loopback_only else ()
    return Egress(own, port_ranges(settings.webhook_allow_ports), public=False)


def smtp_egress(settings: Settings) -> Egress:
    """Where mail may go, by `SMTP_ALLOW_CIDRS` and `SMTP_ALLOW_PORTS`."""
    return Egress(networks(settings.smtp_allow_cidrs), port_ranges(settings.smtp_allow_ports))


def _real(address: Address) -> Address:
    """Where packets end: behind an IPv4-mapped address and behind a NAT64 (RFC 6052) is an IPv4 address."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
