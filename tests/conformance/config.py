"""The configuration of the server under test, and what the checks know about it.

Every configuration key of the server is named in this file and nowhere else in the suite.
"""

import ipaddress
import struct

import dhcp6

PAIRS = [("srv0", "cli0"), ("srv1", "cli1")]
# net_af_packet takes the outer tag out of a frame and forgets its type, so that it always comes back
# as 0x8100; net_pcap leaves frames as they are, but has a single queue. One port with each where
# one worker allows it. NEEDS_PCAP names the check that can only pass there.
NEEDS_PCAP = "vlan-service-tag-mirrored"


def devices(workers):
    if workers == 1:
        return [f"net_af_packet0,iface={PAIRS[0][0]}", f"net_pcap1,iface={PAIRS[1][0]}"]
    return [f"net_af_packet{n},iface={pair[0]},qpairs={workers}" for n, pair in enumerate(PAIRS)]


PORT_ADDRESSES = ["2001:db8:0:1::1", "2001:db8:0:2::1"]
# Relay agents of the suite send from here, on the ports' own networks.
RELAY_NETWORK = [ipaddress.IPv6Network("2001:db8:0:1:1::/96"),
                 ipaddress.IPv6Network("2001:db8:0:2:1::/96")]

# T1 and T2 are not what RFC 9915 would make of the preferred lifetime: so it shows that they count.
PREFERRED_S, VALID_S, RENEW_S, REBIND_S = 3000, 3600, 1200, 2100


class Link:
    """One link of the configuration. `subnet` numbers 2001:db8:SUBNET::/64, and 2001:db8:SUBNET::1
    is its relay's address there."""

    def __init__(self, name, subnet, pools, port=None, **more):
        self.name = name
        self.subnet = ipaddress.IPv6Network(f"2001:db8:{subnet:x}::/64")
        self.direct = port is not None
        self.port = port or 0
        self.relay = None if self.direct else self.subnet[1]
        self.pools = pools
        self.more = more
        self.preferred_s, self.valid_s = PREFERRED_S, VALID_S
        if "lifetimes" in more:
            self.preferred_s = more["lifetimes"]["preferred_s"]
            self.valid_s = more["lifetimes"]["valid_s"]

    @property
    def networks(self):
        """Every network whose addresses fit the link."""
        return [self.subnet]

    def rapid(self):
        return self.more.get("rapid_commit", False)

    def address_pools(self):
        """First and last address of each address pool, as integers."""
        pools = []
        for pool in self.pools:
            if pool["type"] == "address" and "/" in pool["range"]:
                network = ipaddress.IPv6Network(pool["range"], strict=False)
                pools.append((int(network[0]), int(network[-1])))
            elif pool["type"] == "address":
                pools.append(tuple(int(dhcp6.address(end)) for end in pool["range"].split("-")))
        return pools

    def prefix_pools(self):
        return [(ipaddress.IPv6Network(pool["range"]), pool["delegated_length"])
                for pool in self.pools if pool["type"] == "prefix"]

    def json(self):
        row = {"name": self.name, "port": f"access{self.port}", "direct": self.direct,
               "subnets": [str(self.subnet)], "pools": self.pools, **self.more}
        if not self.direct:
            row["relay_addresses"] = [str(self.relay)]
        return row


def addresses(range_, **more):
    return {"type": "address", "range": range_, **more}


def prefixes(range_, length, **more):
    return {"type": "prefix", "range": range_, "delegated_length": length, **more}


def text(octets):
    """Octets that are plain text, as the configuration wants them (else hex with colons)."""
    return "text:" + octets.decode()


def whole(subnet):
    return addresses(f"2001:db8:{subnet:x}::/64")


# ---- options ------------------------------------------------------------------------------------

def _addresses(*texts):
    return b"".join(dhcp6.packed(text) for text in texts)


def _names(*names):
    return b"".join(dhcp6.encode_name(name) for name in names)


def _sub(code, data):
    return struct.pack("!HH", code, len(data)) + data


def _dnr(priority, name, servers=(), params=b""):
    adn = dhcp6.encode_name(name)
    data = struct.pack("!HH", priority, len(adn)) + adn
    if servers:
        data += struct.pack("!H", 16 * len(servers)) + _addresses(*servers) + params
    return data


ALPN_DOT = struct.pack("!HH", 1, 4) + b"\x03dot"
CUSTOM_CODE, CUSTOM_INT_CODE = 59, 60000    # 59 is OPT_BOOTFILE_URL (RFC 5970)
ENTERPRISE = 32473                          # the one for examples (RFC 5612)

# name of the check: (clause, option code, configuration, exact data of each instance expected)
OPTIONS = {
    "dns-servers": ("RFC 3646 3", dhcp6.DNS_SERVERS,
                    {"dns_servers": ["2001:db8::53", "2001:db8::54"]},
                    [_addresses("2001:db8::53", "2001:db8::54")]),
    "domain-list": ("RFC 3646 4", dhcp6.DOMAIN_LIST,
                    {"domain_search": ["example.org", "pop7.example.net"]},
                    [_names("example.org", "pop7.example.net")]),
    "sntp-servers": ("RFC 4075 4", dhcp6.SNTP_SERVERS, {"sntp_servers": ["2001:db8::123"]},
                     [_addresses("2001:db8::123")]),
    "ntp-servers": ("RFC 5908 4", dhcp6.NTP_SERVER,
                    {"ntp_servers": ["2001:db8::124", "ff05::101", "ntp.example.org"]},
                    [_sub(1, _addresses("2001:db8::124")), _sub(2, _addresses("ff05::101")),
                     _sub(3, _names("ntp.example.org"))]),
    "aftr-name": ("RFC 6334 3", dhcp6.AFTR_NAME, {"aftr_name": "aftr.example.org"},
                  [_names("aftr.example.org")]),
    "sol-max-rt": ("RFC 9915 21.24", dhcp6.SOL_MAX_RT, {"sol_max_rt_s": 4711},
                   [struct.pack("!I", 4711)]),
    "inf-max-rt": ("RFC 9915 21.25", dhcp6.INF_MAX_RT, {"inf_max_rt_s": 7200},
                   [struct.pack("!I", 7200)]),
    "captive-portal": ("RFC 8910 2.2", dhcp6.CAPTIVE_PORTAL,
                       {"captive_portal": "https://portal.example.org/capport"},
                       [b"https://portal.example.org/capport"]),
    "dnr": ("RFC 9463 4.1", dhcp6.V6_DNR,
            {"dnr": [{"priority": 1, "adn": "dot.example.org",
                      "addresses": ["2001:db8::853", "2001:db8::854"],
                      "svc_params": {"alpn": ["dot"]}},
                     {"priority": 2, "adn": "adn.example.org"}]},
            [_dnr(1, "dot.example.org", ["2001:db8::853", "2001:db8::854"], ALPN_DOT),
             _dnr(2, "adn.example.org")]),
    "vendor-options": ("RFC 9915 21.17", dhcp6.VENDOR_OPTS,
                       {"vendor_options": [{"enterprise": ENTERPRISE, "suboptions": [
                           {"code": 1, "type": "string", "value": "blue"},
                           {"code": 2, "type": "hex", "value": "c0ffee"}]}]},
                       [struct.pack("!I", ENTERPRISE) + _sub(1, b"blue") + _sub(2, b"\xc0\xff\xee")]),
    "custom-string": ("RFC 9915 18.3", CUSTOM_CODE,
                      {"custom": [{"code": CUSTOM_CODE, "type": "string",
                                   "value": "tftp://[2001:db8::69]/boot"}]},
                      [b"tftp://[2001:db8::69]/boot"]),
    "custom-integer": ("RFC 9915 18.3", CUSTOM_INT_CODE,
                       {"custom": [{"code": CUSTOM_INT_CODE, "type": "uint32", "value": 66051}]},
                       [b"\0\1\2\3"]),
}
INFORMATION_REFRESH_S = 1800


def all_options():
    merged = {"information_refresh_s": INFORMATION_REFRESH_S}
    for _, _, keys, _ in OPTIONS.values():
        for key, value in keys.items():
            merged[key] = merged.get(key, []) + value if isinstance(value, list) else value
    return merged


CLASS_DNS = "2001:db8::cc"
RESERVED_DNS = "2001:db8::dd"

# ---- reservations and classes -------------------------------------------------------------------

RESERVED_DUID = bytes.fromhex("00020000 7ed9 7265736572766564".replace(" ", ""))
RESERVED_MAC = bytes.fromhex("02c1aa000001")
RESERVED_REMOTE = (ENTERPRISE, b"port-7/onu-3")
PD_EXCLUDE_LENGTH, PD_EXCLUDE_SUBNET = 64, 255
RESERVED_INTERFACE = b"ge-0/0/7.100"
RESERVED_SUBSCRIBER = b"subscriber-4711"

# what identifies the client: (configuration, address, prefix)
RESERVATIONS = {
    "duid": ({"duid": RESERVED_DUID.hex()}, "2001:db8:40::d1", "2001:db8:4f00:100::/56"),
    "link-layer": ({"link_layer": RESERVED_MAC.hex()}, "2001:db8:40::d2",
                   "2001:db8:4f00:200::/56"),
    "remote-id": ({"remote_id": text(RESERVED_REMOTE[1])}, "2001:db8:40::d3",
                  "2001:db8:4f00:300::/56"),
    "interface-id": ({"interface_id": text(RESERVED_INTERFACE)}, "2001:db8:40::d4",
                     "2001:db8:4f00:400::/56"),
    "subscriber-id": ({"subscriber_id": RESERVED_SUBSCRIBER.hex(":")}, "2001:db8:40::d5",
                      "2001:db8:4f00:500::/56"),
}
CLASS_LIFETIMES = {"preferred_s": 600, "valid_s": 900, "renew_s": 200, "rebind_s": 400}
VENDOR_CLASS_DATA = b"modem-x"
USER_CLASS_DATA = b"business"
VENDOR_POOL = "2001:db8:41::a:0/112"
USER_POOL = "2001:db8:41::b:0/112"
PLAIN_POOL = "2001:db8:41::c:0/112"


def reservations():
    rows = []
    for name, (key, addr, prefix) in RESERVATIONS.items():
        row = {**key, "link": RESERVED.name, "addresses": [addr], "prefixes": [prefix]}
        if name == "duid":
            row["options"] = {"dns_servers": [RESERVED_DNS]}
        rows.append(row)
    return rows


def classes():
    return [
        {"name": "modems", "match": {"vendor_enterprise": ENTERPRISE,
                                     "vendor_class": text(VENDOR_CLASS_DATA)},
         "lifetimes": CLASS_LIFETIMES, "options": {"dns_servers": [CLASS_DNS]}},
        {"name": "business", "match": {"user_class": text(USER_CLASS_DATA)}},
    ]


# ---- links --------------------------------------------------------------------------------------

DIRECT = Link("direct-0", 0x10, [whole(0x10), prefixes("2001:db8:1000::/40", 56)], port=0)
DIRECT_RAPID = Link("direct-1", 0x11, [whole(0x11), prefixes("2001:db8:1100::/40", 56)], port=1,
                    rapid_commit=True)
MAIN = Link("main", 0x17, [whole(0x17), prefixes("2001:db8:1700::/40", 56)], options=all_options())
RAPID = Link("rapid", 0x18, [whole(0x18), prefixes("2001:db8:1800::/40", 56)], rapid_commit=True)
RAPID_NO_PREFIXES = Link("rapid-no-prefixes", 0x21, [whole(0x21)], rapid_commit=True)
HINTS = Link("hints", 0x19, [prefixes("2001:db8:1980::/41", 48), prefixes("2001:db8:1900::/44", 56),
                             prefixes("2001:db8:1910::/44", 60), prefixes("2001:db8:1920::/44", 64)])
NO_ADDRESSES = Link("no-addresses", 0x1A, [prefixes("2001:db8:1a00::/40", 56)],
                    options={"sol_max_rt_s": 4711})
NO_PREFIXES = Link("no-prefixes", 0x1B, [whole(0x1B)])
PREFERENCE = Link("preference", 0x1C, [whole(0x1C)], preference=200)
NO_TIMES = Link("no-times", 0x1D, [whole(0x1D), prefixes("2001:db8:1d00::/40", 56)],
                lifetimes={"preferred_s": 1000, "valid_s": 2000})
INFINITE = Link("infinite", 0x22, [whole(0x22), prefixes("2001:db8:2200::/40", 56)],
                lifetimes={"preferred_s": dhcp6.INFINITY, "valid_s": dhcp6.INFINITY})
SHORT = Link("short", 0x1E, [addresses("2001:db8:1e::10-2001:db8:1e::10")],
             lifetimes={"preferred_s": 2, "valid_s": 3, "renew_s": 1, "rebind_s": 2})
PD_EXCLUDED = Link("pd-exclude", 0x1F,
                   [prefixes("2001:db8:1f00::/40", 56, pd_exclude={"length": PD_EXCLUDE_LENGTH,
                                                                "subnet_id": PD_EXCLUDE_SUBNET})])
HOLES = Link("holes", 0x20, [addresses("2001:db8:20::100-2001:db8:20::10f",
                                       exclude=["2001:db8:20::100-2001:db8:20::10d"])])
RESERVED = Link("reserved", 0x40, [addresses("2001:db8:40::/112"),
                                   prefixes("2001:db8:4000::/40", 56)],
                options={"dns_servers": ["2001:db8::53"]})
CLASSES = Link("classes", 0x41, [addresses(VENDOR_POOL, classes=["modems"]),
                                 addresses(USER_POOL, classes=["business"]),
                                 addresses(PLAIN_POOL)],
               options={"dns_servers": ["2001:db8::53"]})
TINY = [Link(f"tiny-{n}", 0x50 + n,
             [addresses(f"2001:db8:{0x50 + n:x}::10-2001:db8:{0x50 + n:x}::11"),
              prefixes(f"2001:db8:{0x50 + n:x}:fe00::/55", 56)]) for n in range(24)]
LINKS = [DIRECT, DIRECT_RAPID, MAIN, RAPID, RAPID_NO_PREFIXES, HINTS, NO_ADDRESSES, NO_PREFIXES, PREFERENCE, NO_TIMES,
         INFINITE, SHORT, PD_EXCLUDED, HOLES, RESERVED, CLASSES, *TINY]
UNKNOWN_RELAY = "2001:db8:ffff::1"


def build(state_dir, socket, workers=1):
    """The whole configuration as JSON data."""
    return {
        "server": {"name": "conformance", "state_dir": state_dir},
        "store": {"leases_max": 20000},
        "journal": {"segment_mib": 4, "checkpoint_log_mib": 16},
        "dataplane": {"workers": workers, "poll": "adaptive", "ports": [
            {"name": f"access{n}", "device": device, "addresses": [PORT_ADDRESSES[n]]}
            for n, device in enumerate(devices(workers))]},
        "lifetimes": {"preferred_s": PREFERRED_S, "valid_s": VALID_S, "renew_s": RENEW_S,
                      "rebind_s": REBIND_S},
        "rapid_commit": False,
        "links": [link.json() for link in LINKS],
        "reservations": reservations(),
        "classes": classes(),
        "management": {"socket": socket},
    }
