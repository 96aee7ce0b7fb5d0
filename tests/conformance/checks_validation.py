"""Which messages a server must discard (RFC 9915 section 16), and what it must not discard."""

import struct

import config
import dhcp6
from dhcp6 import (ADVERTISE, CONFIRM, DECLINE, INFORMATION_REQUEST, REBIND, RECONFIGURE, RELEASE,
                   RELAY_REPL, RENEW, REPLY, REQUEST, SOLICIT)
from suite import Client, Direct, Relay, check, expect, ia_with

FOREIGN = b"\0\x03\0\x01\x02\xbb\xbb\xbb\xbb\xbb"
ON_LINK = str(config.MAIN.subnet[0xABCD])


def _silent(name, clause, rule, kind, direct=False, **build):
    """One check: a message of `kind`, built as told, gets no answer."""
    @check(name, clause, rule)
    def run(env):
        link = config.DIRECT if direct else config.MAIN
        client = Client(env, Direct() if direct else Relay())
        client.silent(kind, ia_with(str(link.subnet[0xABCD])), **build)


_silent("solicit-without-client-id", "RFC 9915 16.2",
        "A Solicit without Client Identifier is discarded.", SOLICIT, client=False)
_silent("solicit-without-client-id-direct", "RFC 9915 16.2",
        "A Solicit without Client Identifier is discarded, unrelayed too.", SOLICIT, client=False,
        direct=True)
_silent("solicit-with-server-id", "RFC 9915 16.2",
        "A Solicit with a Server Identifier is discarded, even with this server's.", SOLICIT,
        server=True)
_silent("confirm-without-client-id", "RFC 9915 16.5",
        "A Confirm without Client Identifier is discarded.", CONFIRM, client=False)
_silent("confirm-with-server-id", "RFC 9915 16.5",
        "A Confirm with a Server Identifier is discarded.", CONFIRM, server=True)
_silent("rebind-without-client-id", "RFC 9915 16.7",
        "A Rebind without Client Identifier is discarded.", REBIND, client=False)
for _kind, _name, _clause in ((REQUEST, "request", "16.4"), (RENEW, "renew", "16.6"),
                              (DECLINE, "decline", "16.8"), (RELEASE, "release", "16.9")):
    _title = _name.capitalize()
    _silent(f"{_name}-without-server-id", f"RFC 9915 {_clause}",
            f"A {_title} without Server Identifier is discarded.", _kind, server=False)
    _silent(f"{_name}-foreign-server-id", f"RFC 9915 {_clause}",
            f"A {_title} for another server is discarded.", _kind, server=FOREIGN)
    _silent(f"{_name}-without-client-id", f"RFC 9915 {_clause}",
            f"A {_title} without Client Identifier is discarded.", _kind, client=False)
_silent("request-foreign-server-id-direct", "RFC 9915 16.4",
        "A Request for another server is discarded, unrelayed too.", REQUEST, server=FOREIGN,
        direct=True)


@check("rebind-with-server-id", "RFC 9915 16.7",
       "A Rebind with a Server Identifier is discarded, even for a known lease.")
def rebind_with_server_id(env):
    client = Client(env)
    client.silent(REBIND, ia_with(client.lease()), server=True)


@check("server-id-longer-is-foreign", "RFC 9915 16.6",
       "Server Identifiers are compared whole: ours with an octet appended is another server.")
def server_id_longer(env):
    client = Client(env)
    client.silent(RENEW, ia_with(client.lease()), server=env.server_duid + b"\0")


@check("server-id-shorter-is-foreign", "RFC 9915 16.6",
       "Server Identifiers are compared whole: ours without its last octet is another server.")
def server_id_shorter(env):
    client = Client(env)
    client.silent(RENEW, ia_with(client.lease()), server=env.server_duid[:-1])


@check("discarded-request-changes-nothing", "RFC 9915 16.4",
       "A Request for another server binds nothing: RELEASE finds no binding afterwards.")
def discarded_request(env):
    client = Client(env)
    client.silent(REQUEST, ia_with(ON_LINK), server=FOREIGN)
    ia = client.release(ia_with(ON_LINK)).na(1)
    expect(ia and ia.status() == dhcp6.NO_BINDING, f"the RELEASE found {ia}")


@check("information-request-foreign-server-id", "RFC 9915 16.12",
       "An Information-request for another server is discarded.")
def information_foreign(env):
    Client(env).silent(INFORMATION_REQUEST, server=FOREIGN)


@check("information-request-with-ia-na", "RFC 9915 16.12",
       "An Information-request with an IA_NA is discarded.")
def information_with_na(env):
    Client(env).silent(INFORMATION_REQUEST, dhcp6.ia_na(1))


@check("information-request-with-ia-pd", "RFC 9915 16.12",
       "An Information-request with an IA_PD is discarded.")
def information_with_pd(env):
    Client(env).silent(INFORMATION_REQUEST, dhcp6.ia_pd(1))


def _discarded(kind, name, clause):
    title = dhcp6.MESSAGE_NAMES.get(kind, f"type {kind}")

    @check(f"{name}-discarded", f"RFC 9915 {clause}", f"A server discards {title}, whatever is in it.")
    def direct(env):
        for server in (False, True):
            Client(env, Direct()).silent(kind, dhcp6.ia_na(1), server=server)

    @check(f"{name}-discarded-relayed", f"RFC 9915 {clause}",
           f"A server discards {title} that a relay agent forwards.")
    def relayed(env):
        Client(env).silent(kind, dhcp6.ia_na(1), server=True)


_discarded(ADVERTISE, "advertise", "16.3")
_discarded(REPLY, "reply", "16.10")
_discarded(RECONFIGURE, "reconfigure", "16.11")
_discarded(0, "type-zero", "16")
_discarded(200, "unknown-type", "16")


@check("relay-reply-discarded", "RFC 9915 16.14", "A server discards Relay-reply messages.")
def relay_reply(env):
    client = Client(env)
    level = client.path.levels[0]
    client.silent_raw(dhcp6.relay_forward(
        0, level.link, level.peer, (dhcp6.RELAY_MSG, client.build(SOLICIT, dhcp6.ia_na(1))),
        kind=RELAY_REPL))


@check("reconfigure-request-incomplete", "RFC 6977 6",
       "A Reconfigure-request without Client Identifier or Link Address is discarded.")
def reconfigure_request(env):
    Client(env).silent(dhcp6.RECONFIGURE_REQUEST, client=False)
    Client(env).silent(dhcp6.RECONFIGURE_REQUEST)


@check("empty-message", "RFC 9915 8", "A datagram too short for a message header is discarded.")
def empty_message(env):
    client = Client(env, Direct())
    for size in (0, 1, 3):
        client.silent_raw(bytes([SOLICIT, 1, 2])[:size])


# ---- what must not stop a message ---------------------------------------------------------------

@check("unknown-option-in-message", "RFC 9915 16",
       "Unknown options do not stop a message; they are ignored as if not there.")
def unknown_option(env):
    client = Client(env, extra=[dhcp6.option(65000, b"abc"), dhcp6.option(65001)])
    expect(client.solicit(dhcp6.ia_na(1)).na(1).live(), "no address offered")


@check("unknown-option-in-ia", "RFC 9915 16",
       "Unknown options in an IA and in an IA Address or IA Prefix are ignored.")
def unknown_option_in_ia(env):
    client = Client(env)
    odd = dhcp6.option(65000, b"abc")
    key = client.lease()
    answer = client.renew(dhcp6.ia_na(1, odd, dhcp6.iaaddr(key, odd), odd))
    expect(key in answer.na(1).keys(), f"the lease was not renewed: {answer.na(1)}")
    answer = client.ask(REQUEST, dhcp6.ia_pd(1, odd, dhcp6.iaprefix("::/56", odd)))
    expect(answer.pd(1).live(), f"no prefix delegated: {answer.pd(1)}")


@check("unknown-vendor-enterprise", "RFC 9915 16",
       "Vendor options and vendor classes of unknown enterprises do not stop a message.")
def unknown_vendor(env):
    client = Client(env, extra=[dhcp6.option(dhcp6.VENDOR_OPTS, b"\0\1\2\3\0\1\0\0"),
                                dhcp6.vendor_class(9, b"x"), dhcp6.vendor_class(4491, b"y", b"z")])
    expect(client.lease(), "no lease")


@check("server-unicast-ignored", "RFC 9915 21.12",
       "A Server Unicast option in a client's message is ignored.")
def server_unicast(env):
    client = Client(env, extra=[dhcp6.option(dhcp6.UNICAST, dhcp6.packed("2001:db8::1"))])
    expect(client.lease(), "no lease")


@check("server-unicast-never-sent", "RFC 9915 21.12",
       "Server Unicast is not sent even if the ORO asks for it.")
def server_unicast_oro(env):
    client = Client(env)
    answer = client.obtain(dhcp6.ia_na(1), oro=(dhcp6.UNICAST, dhcp6.DNS_SERVERS))
    expect(not answer.options.has(dhcp6.UNICAST), "the Reply holds a Server Unicast option")
    expect(answer.options.has(dhcp6.DNS_SERVERS), "the rest of the ORO was not honoured")


@check("ia-ta-ignored", "RFC 9915 21.5",
       "IA_TA is ignored: the message is processed as usual and no IA_TA comes back.")
def ia_ta_ignored(env):
    client = Client(env)
    answer = client.solicit(dhcp6.ia_ta(7), dhcp6.ia_na(1))
    expect(not answer.options.has(dhcp6.IA_TA), "the Advertise holds an IA_TA")
    expect(answer.na(1) and answer.na(1).live(), "the IA_NA beside it got nothing")
    answer = client.ask(REQUEST, dhcp6.ia_ta(7, dhcp6.iaaddr(ON_LINK)), dhcp6.ia_na(1))
    expect(not answer.options.has(dhcp6.IA_TA), "the Reply holds an IA_TA")
    expect(answer.na(1) and answer.na(1).live(), "the IA_NA beside it got no lease")


@check("maximal-duid", "RFC 9915 11.1",
       "A DUID of 2 + 128 octets is served, and returned whole.")
def maximal_duid(env):
    client = Client(env, duid=b"\0\x02" + bytes(range(128)))
    expect(client.holds(client.lease()), "the lease of the client was not renewed")


@check("minimal-duid", "RFC 9915 11.1", "A DUID of 2 + 1 octets of unknown type is served.")
def minimal_duid(env):
    client = Client(env, duid=b"\x7f\xff\x01")
    expect(client.holds(client.lease()), "the lease of the client was not renewed")


@check("duids-compared-whole", "RFC 9915 11",
       "DUIDs are opaque and compared whole: one more octet is another client.")
def duids_compared(env):
    first = Client(env, duid=b"\0\x02\0\0\x7e\xd9same")
    second = Client(env, duid=first.duid + b"\0")
    expect(first.lease() != second.lease(), "both clients got the same address")


# ---- wrong lengths: no lease may come of them, and the server goes on -----------------------------

def _survives(name, clause, rule, *options):
    @check(name, clause, rule)
    def run(env):
        for path in (Direct(), Relay()):
            client = Client(env, path)
            answer = client.survives(client.build(SOLICIT, *options))
            expect(answer is None or not answer.live_keys(),
                   f"leases came of a malformed option: {answer}")


_survives("short-ia-na", "RFC 9915 21.4", "An IA_NA shorter than 12 octets yields no lease.",
          dhcp6.option(dhcp6.IA_NA, bytes(11)))
_survives("short-ia-pd", "RFC 9915 21.21", "An IA_PD shorter than 12 octets yields no lease.",
          dhcp6.option(dhcp6.IA_PD, bytes(4)))

@check("ia-options-overrun", "RFC 9915 21.1",
       "An option that overruns its IA is not read beyond the IA.")
def ia_overrun(env):
    for path in (Direct(), Relay()):
        client = Client(env, path)
        # An IA Address of 24 octets, of which the IA holds 8; the rest would be the next option.
        subnet = path.link.subnet.network_address.packed[:8]
        broken = dhcp6.option(dhcp6.IA_NA, bytes(11) + b"\1"
                              + struct.pack("!HH", dhcp6.IAADDR, 24) + subnet)
        behind = dhcp6.option(65000, bytes(range(1, 21)))
        beyond = dhcp6.address(subnet + dhcp6.encode_options([behind])[:8])
        answer = client.survives(client.build(SOLICIT, broken, behind))
        expect(answer is None or str(beyond) not in answer.live_keys(), f"{answer}")


@check("option-overruns-message", "RFC 9915 21.1",
       "An option longer than the rest of the message is not read beyond its end.")
def option_overrun(env):
    for path in (Direct(), Relay()):
        client = Client(env, path)
        data = client.build(SOLICIT) + struct.pack("!HH", dhcp6.IA_NA, 200) + bytes(12)
        answer = client.survives(data)
        expect(answer is None or not answer.live_keys(), f"{answer}")


@check("client-id-length", "RFC 9915 11.1",
       "Client Identifiers of 0, 2 or 131 octets are no DUIDs: they get no lease.")
def client_id_length(env):
    for duid in (b"", b"\0\x03", bytes(131)):
        for path in (Direct(), Relay()):
            client = Client(env, path)
            data = client.build(SOLICIT, dhcp6.client_id(duid), dhcp6.ia_na(1), client=False)
            answer = client.survives(data)
            expect(answer is None or not answer.live_keys(), f"{len(duid)} octets: {answer}")


@check("short-iaaddr-in-request", "RFC 9915 21.6",
       "An IA Address shorter than 24 octets is not taken for an address.")
def short_iaaddr(env):
    client = Client(env)
    data = client.build(REQUEST, dhcp6.ia_na(1, dhcp6.option(dhcp6.IAADDR, bytes(23))))
    client.survives(data)
    expect(client.lease(), "no service after it")


@check("iaprefix-length-129", "RFC 9915 21.22",
       "An IA Prefix with a prefix-length above 128 does no harm.")
def iaprefix_length(env):
    client = Client(env)
    bad = dhcp6.option(dhcp6.IAPREFIX, bytes(8) + b"\x81" + dhcp6.packed("2001:db8:1700::"))
    client.survives(client.build(SOLICIT, dhcp6.ia_pd(1, bad)))
    client.survives(client.build(REBIND, dhcp6.ia_pd(1, bad)))
    expect(client.delegate(), "no service after it")


@check("repeated-singletons", "RFC 9915 21",
       "Options that may stand once and stand twice do no harm; no answer repeats them.")
def repeated(env):
    for option in (dhcp6.client_id(FOREIGN), dhcp6.server_id(FOREIGN), dhcp6.elapsed(9),
                   dhcp6.oro(dhcp6.DNS_SERVERS), dhcp6.oro(dhcp6.DOMAIN_LIST), dhcp6.fqdn(1, "a.b"),
                   dhcp6.fqdn(0, "c.d"), dhcp6.user_class(b"a"), dhcp6.user_class(b"b")):
        client = Client(env)
        answer = client.survives(client.build(REQUEST, option, option, dhcp6.ia_na(1)))
        for code in (dhcp6.CLIENTID, dhcp6.SERVERID, dhcp6.DNS_SERVERS, dhcp6.DOMAIN_LIST,
                     dhcp6.CLIENT_FQDN):
            expect(answer is None or len(answer.options.all(code)) <= 1, f"{answer}")


@check("odd-option-lengths", "RFC 9915 21",
       "ORO, Elapsed Time, Rapid Commit, class and FQDN options of wrong length do no harm.")
def odd_lengths(env):
    odd = [(dhcp6.ORO, b"\0\x17\0"), (dhcp6.ORO, b"\1"), (dhcp6.ELAPSED_TIME, b"\0"),
           (dhcp6.ELAPSED_TIME, b""), (dhcp6.RAPID_COMMIT, b"\1"), (dhcp6.USER_CLASS, b"\0\x09abc"),
           (dhcp6.USER_CLASS, b"\0"), (dhcp6.VENDOR_CLASS, b"\0\0"), (dhcp6.CLIENT_FQDN, b""),
           (dhcp6.CLIENT_FQDN, b"\1\x3fab"), (dhcp6.STATUS_CODE, b"\0"), (dhcp6.AUTH, b"\3"),
           (dhcp6.VENDOR_OPTS, b"\0"), (dhcp6.RECONF_ACCEPT, b"x")]
    for code, data in odd:
        client = Client(env, oro=())
        client.survives(client.build(SOLICIT, dhcp6.option(code, data), dhcp6.ia_na(1)))
