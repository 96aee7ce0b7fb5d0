"""REQUEST and its Reply (RFC 9915 18.3.2, RFC 7550), and who gets what."""

import config
import dhcp6
from dhcp6 import REPLY, REQUEST, SOLICIT
from suite import Client, Direct, Relay, check, expect, ia_with

OFF_LINK = str(config.RAPID.subnet[0x999])


def fill_addresses(env, link):
    """Takes both addresses of a tiny link; the clients and their leases."""
    clients = [Client(env, Relay(link)) for _ in range(2)]
    return [(client, client.lease()) for client in clients]


def fill_prefixes(env, link):
    clients = [Client(env, Relay(link)) for _ in range(2)]
    return [(client, client.delegate()) for client in clients]


@check("request-binds", "RFC 9915 18.3.2",
       "A Request is answered with a Reply; its leases are bound to the client.")
def request_binds(env):
    for path in (Direct(), Relay()):
        client = Client(env, path)
        key, prefix = client.lease(), client.delegate(2)
        expect(client.holds(key) and client.holds(prefix, 2), "the leases were not renewed")


@check("request-lifetimes", "RFC 9915 18.3.2",
       "Leases come with the configured lifetimes, IAs with the configured T1 and T2.")
def request_lifetimes(env):
    answer = Client(env).obtain(dhcp6.ia_na(1), dhcp6.ia_pd(1))
    for ia in answer.ias:
        expect((ia.t1, ia.t2) == (config.RENEW_S, config.REBIND_S), f"{ia}")
        for lease in ia.leases:
            expect((lease.preferred, lease.valid) == (config.PREFERRED_S, config.VALID_S), f"{ia}")


@check("request-default-times", "RFC 9915 21.4",
       "Without configured T1 and T2 they are 0.5 and 0.8 of the preferred lifetime, or 0.")
def default_times(env):
    answer = Client(env, Relay(config.NO_TIMES)).obtain(dhcp6.ia_na(1), dhcp6.ia_pd(1))
    for ia in answer.ias:
        expect((ia.t1, ia.t2) in ((500, 800), (0, 0)), f"{ia}")


@check("request-infinite-lifetimes", "RFC 9915 21.4",
       "Infinite lifetimes are sent as 0xffffffff, and T1 and T2 with them (or as 0).")
def infinite(env):
    answer = Client(env, Relay(config.INFINITE)).obtain(dhcp6.ia_na(1), dhcp6.ia_pd(1))
    for ia in answer.ias:
        lease = ia.live()[0]
        expect((lease.preferred, lease.valid) == (dhcp6.INFINITY,) * 2, f"{ia}")
        expect((ia.t1, ia.t2) in ((dhcp6.INFINITY,) * 2, (0, 0)), f"{ia}")


@check("request-without-addresses", "RFC 9915 18.3.2",
       "A Request with an empty IA is given leases.")
def request_empty(env):
    answer = Client(env).ask(REQUEST, dhcp6.ia_na(1), dhcp6.ia_pd(1))
    expect(answer.na(1).live() and answer.pd(1).live(), f"{answer}")


@check("request-client-times-ignored", "RFC 9915 21.4",
       "T1, T2 and lifetimes in a client's message are ignored.")
def client_times(env):
    answer = Client(env).ask(
        REQUEST, dhcp6.ia_na(1, dhcp6.iaaddr(config.MAIN.subnet[0x5555], preferred=9, valid=7),
                             t1=5, t2=3))
    ia = answer.na(1)
    expect(ia.live() and ia.live()[0].valid == config.VALID_S and ia.t1 == config.RENEW_S, f"{ia}")


@check("request-notonlink", "RFC 9915 18.3.2",
       "An address not fit for the link: the IA comes back with NotOnLink and no lease.")
def notonlink(env):
    for path in (Direct(), Relay()):
        ia = Client(env, path).ask(REQUEST, ia_with(OFF_LINK)).na(1)
        expect(ia and ia.status() == dhcp6.NOT_ON_LINK and not ia.live(), f"{ia}")


@check("request-notonlink-one-of-two-addresses", "RFC 9915 18.3.2",
       "NotOnLink is said if any address of the IA does not fit.")
def notonlink_any(env):
    ia = Client(env).ask(REQUEST, dhcp6.ia_na(1, dhcp6.iaaddr(config.MAIN.subnet[0x4242]),
                                              dhcp6.iaaddr(OFF_LINK))).na(1)
    expect(ia and ia.status() == dhcp6.NOT_ON_LINK and not ia.live(), f"{ia}")


@check("request-notonlink-in-its-ia-only", "RFC 9915 18.3.2",
       "NotOnLink concerns its IA; the other IAs of the Request get their leases.")
def notonlink_partial(env):
    answer = Client(env).ask(REQUEST, ia_with(OFF_LINK, 1), dhcp6.ia_na(2), dhcp6.ia_pd(3))
    expect(answer.status() == dhcp6.SUCCESS, f"status of the whole message: {answer.status()}")
    expect(answer.na(1).status() == dhcp6.NOT_ON_LINK, f"{answer}")
    expect(answer.na(2).live() and answer.pd(3).live(), f"{answer}")


@check("request-notonlink-binds-nothing", "RFC 9915 18.3.2",
       "An IA answered with NotOnLink has no binding.")
def notonlink_binds_nothing(env):
    client = Client(env)
    client.ask(REQUEST, ia_with(OFF_LINK))
    ia = client.release(ia_with(OFF_LINK)).na(1)
    expect(ia and ia.status() == dhcp6.NO_BINDING, f"{ia}")


@check("request-retransmitted", "RFC 9915 18.3.2",
       "A retransmitted Request, same transaction-id, is answered with the same leases.")
def retransmitted(env):
    client = Client(env)
    data = client.build(REQUEST, dhcp6.ia_na(1), dhcp6.ia_pd(1))
    first, second = client.exchange(data), client.exchange(data)
    expect(first.live_keys() == second.live_keys() != [], f"{first}, then {second}")


@check("request-retransmitted-at-once", "RFC 9915 18.3.2",
       "Three copies of a Request in one burst: every answer that comes holds the same leases.")
def burst(env):
    client = Client(env)
    data = client.build(REQUEST, dhcp6.ia_na(1), dhcp6.ia_pd(1))
    for _ in range(3):
        client.send(data)
    first = client.answer(data)
    env.sentinel(client.path)
    xid = int.from_bytes(data[1:4], "big")
    while True:
        frame = env.await_frame(0, client._is_mine(xid), 0.1)
        if frame is None:
            break
        _, inner = dhcp6.unwrap(frame.data)
        again = dhcp6.Message(inner)
        expect(again.live_keys() == first.live_keys(), f"{first}, then {again}")
    answer = client.ask(REQUEST, dhcp6.ia_na(1), dhcp6.ia_pd(1))
    expect(answer.live_keys() == first.live_keys() != [], f"{first}, then {answer}")


@check("request-on-link-outside-pool", "RFC 9915 18.3.2",
       "An address of the link that no pool holds is not NotOnLink; a pool's address is given.")
def outside_pool(env):
    ia = Client(env, Relay(config.CLASSES)).ask(REQUEST, ia_with("2001:db8:41::ffff:1")).na(1)
    expect(ia.live() and ia.status() == dhcp6.SUCCESS, f"{ia}")


@check("request-same-hint-in-two-ias", "RFC 9915 18.3.2",
       "Two IAs that ask for the same address or prefix do not both get it.")
def same_hint(env):
    key, prefix = str(config.MAIN.subnet[0x8888]), "2001:db8:17aa:aa00::/56"
    answer = Client(env).ask(REQUEST, ia_with(key, 1), ia_with(key, 2), ia_with(prefix, 1),
                             ia_with(prefix, 2))
    keys = answer.live_keys()
    expect(len(keys) == len(set(keys)) == 4, f"{answer}")


@check("request-after-moving", "RFC 9915 13.1",
       "A client that moved to another link is offered and given leases of the new link.")
def moved(env):
    client = Client(env)
    client.lease()
    client.delegate()
    moved_client = client.sibling(Relay(config.NO_TIMES))
    answer = moved_client.obtain(dhcp6.ia_na(1), dhcp6.ia_pd(1))
    expect(answer.na(1).live()[0].address in config.NO_TIMES.subnet, f"{answer}")
    expect(answer.pd(1).live(), f"{answer}")


@check("request-already-bound", "RFC 9915 18.3.2",
       "A Request for an IA that is bound returns the existing binding.")
def already_bound(env):
    client = Client(env)
    key, prefix = client.lease(), client.delegate()
    answer = client.ask(REQUEST, dhcp6.ia_na(1), dhcp6.ia_pd(1))
    expect(answer.na(1).keys() == [key] and answer.pd(1).keys() == [prefix], f"{answer}")


@check("request-already-bound-other-hint", "RFC 9915 18.3.2",
       "A bound IA that asks for another address keeps a single binding it can renew.")
def bound_other_hint(env):
    client = Client(env)
    client.lease()
    ia = client.ask(REQUEST, ia_with(str(config.MAIN.subnet[0x31313131]))).na(1)
    expect(len(ia.live()) >= 1 and client.holds(ia.keys()[0]), f"{ia}")


@check("request-taken-address", "RFC 9915 18.3.2",
       "An address that another client holds is not given again; another one is.")
def taken_address(env):
    first = Client(env)
    key = first.lease()
    ia = Client(env).ask(REQUEST, ia_with(key)).na(1)
    expect(key not in ia.keys() and ia.live(), f"{ia}")
    expect(first.holds(key), "the first client lost its lease")


@check("request-taken-prefix", "RFC 9915 18.3.2",
       "A prefix that another client holds is not given again; another one is.")
def taken_prefix(env):
    first = Client(env)
    key = first.delegate()
    ia = Client(env).ask(REQUEST, ia_with(key)).pd(1)
    expect(key not in ia.keys() and ia.live(), f"{ia}")
    expect(first.holds(key), "the first client lost its lease")


@check("two-clients-race-for-one-offer", "RFC 9915 18.3.2",
       "Two clients that request the same address at once do not both get it.")
def race(env):
    wanted = str(config.MAIN.subnet[0x77777])
    clients = [Client(env) for _ in range(6)]
    sent = [(client, client.build(REQUEST, ia_with(wanted))) for client in clients]
    for client, data in sent:
        client.send(data)
    keys = [key for client, data in sent for key in client.answer(data).live_keys()]
    expect(len(keys) == len(set(keys)) == 6, f"{keys}")


@check("race-for-the-last-leases", "RFC 9915 18.3.2",
       "Twenty clients at once, two addresses and two prefixes: all are given, each once, "
       "and everybody else is told that there are none.")
def last_leases(env):
    link = env.tiny()
    clients = [Client(env, Relay(link)) for _ in range(20)]
    sent = [(client, client.build(REQUEST, dhcp6.ia_na(1), dhcp6.ia_pd(1))) for client in clients]
    for client, data in sent:
        client.send(data)
    answers = [client.answer(data) for client, data in sent]
    for code, none in ((dhcp6.IA_NA, dhcp6.NO_ADDRS_AVAIL), (dhcp6.IA_PD, dhcp6.NO_PREFIX_AVAIL)):
        ias = [ia for answer in answers for ia in answer.ias if ia.code == code]
        keys = [key for ia in ias for key in ia.keys()]
        expect(len(keys) == len(set(keys)) == 2, f"given: {keys}")
        expect(sum(ia.status() == none for ia in ias) == 18, f"{ias}")


@check("many-clients-at-once", "RFC 9915 18.3.2",
       "Forty clients that request at the same time all get leases of their own.")
def many(env):
    clients = [Client(env, Direct() if n % 2 else Relay()) for n in range(40)]
    sent = [(client, client.build(REQUEST, dhcp6.ia_na(1), dhcp6.ia_pd(1))) for client in clients]
    for client, data in sent:
        client.send(data)
    keys = [key for client, data in sent for key in client.answer(data).live_keys()]
    expect(len(keys) == len(set(keys)) == 80, f"{len(keys)} leases, {len(set(keys))} different")


@check("iaid-spaces-separate", "RFC 9915 12",
       "IA_NA and IA_PD with the same IAID are two IAs; so are two IAIDs of one type.")
def iaid_spaces(env):
    client = Client(env)
    answer = client.obtain(dhcp6.ia_na(9), dhcp6.ia_pd(9), dhcp6.ia_na(10))
    expect(len(set(answer.live_keys())) == 3, f"{answer}")
    client.release(ia_with(answer.na(9).keys()[0], 9))
    expect(client.holds(answer.pd(9).keys()[0], 9), "releasing the IA_NA ended the IA_PD")
    expect(client.holds(answer.na(10).keys()[0], 10), "releasing IAID 9 ended IAID 10")


@check("same-iaid-twice", "RFC 9915 21.4",
       "A message that repeats an IAID is not given two IAs of the same IAID.")
def same_iaid(env):
    client = Client(env)
    answer = client.survives(client.build(REQUEST, dhcp6.ia_na(1), dhcp6.ia_na(1)))
    expect(answer is None or len(answer.ias) == len({ia.iaid for ia in answer.ias}), f"{answer}")
    expect(client.lease(), "no service after it")


@check("request-noaddrsavail", "RFC 9915 18.3.2",
       "All addresses taken: the IA_NA comes back empty with NoAddrsAvail.")
def noaddrsavail(env):
    link = env.tiny()
    fill_addresses(env, link)
    for kind in (SOLICIT, REQUEST):
        ia = Client(env, Relay(link)).ask(kind, dhcp6.ia_na(77)).na(77)
        expect(ia and not ia.leases and ia.status() == dhcp6.NO_ADDRS_AVAIL, f"{ia}")


@check("request-noaddrsavail-hint", "RFC 9915 18.3.2",
       "All addresses taken: asking for one of them gets NoAddrsAvail and not the address.")
def noaddrsavail_hint(env):
    link = env.tiny()
    (_, key), _ = fill_addresses(env, link)
    ia = Client(env, Relay(link)).ask(REQUEST, ia_with(key)).na(1)
    expect(ia and not ia.leases and ia.status() == dhcp6.NO_ADDRS_AVAIL, f"{ia}")


@check("request-noprefixavail", "RFC 9915 18.3.2",
       "All prefixes taken: the IA_PD comes back empty with NoPrefixAvail.")
def noprefixavail(env):
    link = env.tiny()
    fill_prefixes(env, link)
    for kind in (SOLICIT, REQUEST):
        ia = Client(env, Relay(link)).ask(kind, dhcp6.ia_pd(77)).pd(77)
        expect(ia and not ia.leases and ia.status() == dhcp6.NO_PREFIX_AVAIL, f"{ia}")


@check("request-status-in-ia-not-message", "RFC 7550 4.4.1",
       "NoAddrsAvail and NoPrefixAvail stand in their IAs; the message itself has no such status.")
def status_in_ia(env):
    link = env.tiny()
    fill_addresses(env, link)
    fill_prefixes(env, link)
    answer = Client(env, Relay(link)).ask(REQUEST, dhcp6.ia_na(1), dhcp6.ia_pd(2))
    expect(answer.status() == dhcp6.SUCCESS, f"top-level status {answer.status()}")
    expect(answer.na(1).status() == dhcp6.NO_ADDRS_AVAIL, f"{answer}")
    expect(answer.pd(2).status() == dhcp6.NO_PREFIX_AVAIL, f"{answer}")


@check("request-prefix-despite-no-address", "RFC 7550 4.4.1",
       "An IA_PD is served even if the IA_NA beside it cannot be.")
def partial_prefix(env):
    link = env.tiny()
    fill_addresses(env, link)
    answer = Client(env, Relay(link)).ask(REQUEST, dhcp6.ia_na(1), dhcp6.ia_pd(1))
    expect(answer.na(1).status() == dhcp6.NO_ADDRS_AVAIL and answer.pd(1).live(), f"{answer}")


@check("request-several-ia-pd-last-prefix", "RFC 7550 4.4.1",
       "Three IA_PDs, two prefixes left: two IAs get one each, the third NoPrefixAvail.")
def several_pd(env):
    answer = Client(env, Relay(env.tiny())).ask(REQUEST, *[dhcp6.ia_pd(n) for n in (1, 2, 3)])
    states = sorted(ia.status() for ia in answer.ias)
    expect(states == [dhcp6.SUCCESS, dhcp6.SUCCESS, dhcp6.NO_PREFIX_AVAIL], f"{answer}")
    expect(len(set(answer.live_keys())) == 2, f"{answer}")


@check("request-several-ia-na-last-address", "RFC 7550 4.4.1",
       "Three IA_NAs, two addresses left: two IAs get one each, the third NoAddrsAvail.")
def several_na(env):
    answer = Client(env, Relay(env.tiny())).ask(REQUEST, *[dhcp6.ia_na(n) for n in (1, 2, 3)])
    states = sorted(ia.status() for ia in answer.ias)
    expect(states == [dhcp6.SUCCESS, dhcp6.SUCCESS, dhcp6.NO_ADDRS_AVAIL], f"{answer}")
    expect(len(set(answer.live_keys())) == 2, f"{answer}")


@check("excluded-addresses-not-given", "RFC 9915 13.1",
       "Addresses that the configuration excludes are given to nobody, hint or not.")
def excluded(env):
    keys = [Client(env, Relay(config.HOLES)).ask(REQUEST, ia_with("2001:db8:20::105")).na(1).keys()
            for _ in range(3)]
    expect(sorted(sum(keys, [])) == ["2001:db8:20::10e", "2001:db8:20::10f"], f"{keys}")


@check("request-sixteen-ias", "RFC 9915 18.3.2",
       "Eight IA_NAs and eight IA_PDs of one Request are all answered, each with its own lease.")
def sixteen(env):
    client = Client(env)
    ias = [make(iaid) for make in (dhcp6.ia_na, dhcp6.ia_pd) for iaid in range(1, 9)]
    answer = client.ask(REQUEST, *ias)
    expect(len(answer.ias) == 16, f"{len(answer.ias)} IAs came back")
    expect(len(set(answer.live_keys())) == 16, f"{answer}")


@check("request-large-message", "RFC 9915 16",
       "A message that fills a packet with unknown options is processed like any other.")
def large(env):
    for path in (Direct(), Relay()):
        client = Client(env, path, extra=[dhcp6.option(65000, bytes(250)) for _ in range(5)])
        expect(client.lease(), "no lease")


@check("request-without-ia", "RFC 9915 18.3.2",
       "A Request without IAs is answered with a Reply without IAs.")
def without_ia(env):
    answer = Client(env).ask(REQUEST, oro=(dhcp6.DNS_SERVERS,))
    expect(answer.kind == REPLY and not answer.ias, f"{answer}")


@check("several-leases-in-one-ia", "RFC 9915 21.4",
       "An IA_NA that asks for two addresses gets at least one, none twice, and can renew all.")
def several_leases(env):
    client = Client(env)
    ia = client.ask(REQUEST, dhcp6.ia_na(1, dhcp6.iaaddr(config.MAIN.subnet[0xA1]),
                                         dhcp6.iaaddr(config.MAIN.subnet[0xA2]))).na(1)
    expect(ia.live() and len(set(ia.keys())) == len(ia.keys()), f"{ia}")
    again = client.renew(dhcp6.ia_na(1, *[dhcp6.iaaddr(key) for key in ia.keys()])).na(1)
    expect(sorted(again.keys()) == sorted(ia.keys()), f"{ia}, then {again}")


@check("expired-lease-not-early", "RFC 9915 18.3.2",
       "A lease is nobody else's before its valid lifetime has ended, and free some time after it.",
       phase="late")
def expiry(env):
    import time
    holder = Client(env, Relay(config.SHORT))
    key = holder.lease()
    end = time.monotonic() + config.SHORT.valid_s - 0.2
    other, deadline = Client(env, Relay(config.SHORT)), time.monotonic() + 30
    while True:
        ia = other.ask(REQUEST, dhcp6.ia_na(1)).na(1)
        now = time.monotonic()
        if ia.live():
            expect(now >= end, f"given away {end - now:.1f} s before the end of its lifetime")
            expect(ia.keys() == [key], f"{ia}")
            return
        expect(now < deadline, "not given to anybody 30 s after its end")
        env.pause(0.05)
