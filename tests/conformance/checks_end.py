"""RELEASE, DECLINE and INFORMATION-REQUEST (RFC 9915 18.3.6 to 18.3.8)."""

import config
import dhcp6
from dhcp6 import DECLINE, INFORMATION_REQUEST, RELEASE, REPLY, REQUEST
from suite import Client, Direct, Relay, check, expect, ia_with


def _closing(client, kind, *options):
    """A Release or Decline; its Reply must hold a top-level Success."""
    answer = client.ask(kind, *options)
    expect(answer.kind == REPLY, f"{answer}")
    expect(answer.options.has(dhcp6.STATUS_CODE), "the Reply holds no Status Code")
    expect(answer.status() == dhcp6.SUCCESS, f"top-level status {answer.status()}")
    return answer


def _nobinding(answer, *ias):
    """Exactly these (code, iaid) come back, each with NoBinding and nothing else."""
    have = [(ia.code, ia.iaid) for ia in answer.ias]
    expect(sorted(have) == sorted(ias), f"IAs {have} instead of {list(ias)}")
    for ia in answer.ias:
        expect(ia.status() == dhcp6.NO_BINDING, f"{ia}")
        expect(ia.options.codes() == [dhcp6.STATUS_CODE], f"options {ia.options.codes()} in the IA")


@check("release-success", "RFC 9915 18.3.7",
       "A Release of known leases: Reply with Success and without IAs.")
def release_success(env):
    for path in (Direct(), Relay()):
        client = Client(env, path)
        key, prefix = client.lease(), client.delegate()
        _nobinding(_closing(client, RELEASE, ia_with(key), ia_with(prefix)))


@check("release-nobinding", "RFC 9915 18.3.7",
       "A Release of unknown IAs: Success, and each IA with NoBinding and nothing else.")
def release_nobinding(env):
    client = Client(env)
    answer = _closing(client, RELEASE, ia_with(str(config.MAIN.subnet[0x51]), 11),
                      ia_with("2001:db8:1700:5100::/56", 12))
    _nobinding(answer, (dhcp6.IA_NA, 11), (dhcp6.IA_PD, 12))


@check("release-mixed", "RFC 9915 18.3.7",
       "Known and unknown IAs in one Release: only the unknown one comes back.")
def release_mixed(env):
    client = Client(env)
    key = client.lease()
    answer = _closing(client, RELEASE, ia_with(key), ia_with(str(config.MAIN.subnet[0x52]), 22))
    _nobinding(answer, (dhcp6.IA_NA, 22))


@check("release-twice", "RFC 9915 18.3.7", "A second Release of the same lease finds NoBinding.")
def release_twice(env):
    client = Client(env)
    key = client.lease()
    _nobinding(_closing(client, RELEASE, ia_with(key)))
    _nobinding(_closing(client, RELEASE, ia_with(key)), (dhcp6.IA_NA, 1))


@check("release-returning-client-hint", "RFC 9915 18.3.7",
       "The same for an address and a prefix that the client had asked for itself.")
def release_returning_hint(env):
    client = Client(env)
    # What the server would choose for this client by itself is something else, as good as surely.
    key, prefix = str(config.MAIN.subnet[0x5eed]), "2001:db8:17a5:5a00::/56"
    answer = client.obtain(ia_with(key), ia_with(prefix))
    keys = answer.live_keys()
    _closing(client, RELEASE, ia_with(keys[0]), ia_with(keys[1]))
    offer = client.solicit(dhcp6.ia_na(1), dhcp6.ia_pd(1))
    expect(offer.live_keys() == keys, f"held {keys}, then offered {offer}")


@check("release-frees-address", "RFC 9915 18.3.7",
       "A released address is available to other clients.")
def release_frees(env):
    link = env.tiny()
    clients = [Client(env, Relay(link)) for _ in range(2)]
    keys = [client.lease() for client in clients]
    _closing(clients[0], RELEASE, ia_with(keys[0]))
    expect(Client(env, Relay(link)).lease() == keys[0], "another address was given")


@check("release-frees-prefix", "RFC 9915 18.3.7",
       "A released prefix is available to other clients.")
def release_frees_prefix(env):
    link = env.tiny()
    clients = [Client(env, Relay(link)) for _ in range(2)]
    keys = [client.delegate() for client in clients]
    _closing(clients[0], RELEASE, ia_with(keys[0]))
    expect(Client(env, Relay(link)).delegate() == keys[0], "another prefix was given")


@check("release-ends-lease", "RFC 9915 18.3.7",
       "A released lease is no longer bound: a Rebind of it is not extended.")
def release_ends(env):
    client = Client(env)
    key = client.lease()
    _closing(client, RELEASE, ia_with(key))
    answer = client.survives(client.build(dhcp6.REBIND, ia_with(key)))
    expect(answer is None or key not in answer.live_keys(), f"{answer}")


@check("release-of-foreign-lease", "RFC 9915 18.3.7",
       "A client cannot release another client's lease.")
def release_foreign(env):
    link = env.tiny()
    clients = [Client(env, Relay(link)) for _ in range(2)]
    keys = [client.lease() for client in clients]
    thief = Client(env, Relay(link))
    _nobinding(_closing(thief, RELEASE, ia_with(keys[0])), (dhcp6.IA_NA, 1))
    expect(thief.ask(REQUEST, ia_with(keys[0])).na(1).status() == dhcp6.NO_ADDRS_AVAIL,
           "the address was free afterwards")
    expect(clients[0].holds(keys[0]), "the owner lost its lease")


@check("release-of-foreign-lease-in-own-ia", "RFC 9915 18.3.7",
       "A lease that is not the IA's own is ignored, though the IA has a binding.")
def release_foreign_in_own(env):
    owner, other = Client(env), Client(env)
    key, own = owner.lease(), other.lease()
    _closing(other, RELEASE, ia_with(key))
    expect(owner.holds(key), "the owner lost its lease")
    expect(other.holds(own), "the client lost its own lease, which it had not named")


@check("release-of-foreign-prefix", "RFC 9915 18.3.7",
       "A client cannot release another client's prefix.")
def release_foreign_prefix(env):
    owner, thief = Client(env), Client(env)
    key = owner.delegate()
    _nobinding(_closing(thief, RELEASE, ia_with(key)), (dhcp6.IA_PD, 1))
    expect(owner.holds(key), "the owner lost its lease")


@check("release-under-wrong-iaid", "RFC 9915 18.3.7",
       "A lease released under another IAID of the same client stays bound.")
def release_wrong_iaid(env):
    client = Client(env)
    key = client.lease(1)
    _nobinding(_closing(client, RELEASE, ia_with(key, 2)), (dhcp6.IA_NA, 2))
    expect(client.holds(key, 1), "the lease is gone")


@check("release-returning-client", "RFC 9915 18.3.7",
       "A client that comes back after its Release gets its former leases while they are free.")
def release_returning(env):
    client = Client(env)
    key, prefix = client.lease(), client.delegate()
    _closing(client, RELEASE, ia_with(key), ia_with(prefix))
    offer = client.solicit(dhcp6.ia_na(1), dhcp6.ia_pd(1))
    expect(offer.live_keys() == [key, prefix], f"held {key} and {prefix}, then offered {offer}")


# ---- DECLINE ------------------------------------------------------------------------------------

@check("decline-success", "RFC 9915 18.3.8",
       "A Decline of a leased address: Reply with Success and without IAs.")
def decline_success(env):
    for path in (Direct(), Relay()):
        client = Client(env, path)
        _nobinding(_closing(client, DECLINE, ia_with(client.lease())))


@check("decline-nobinding", "RFC 9915 18.3.8",
       "A Decline of an unknown IA: Success, and the IA with NoBinding and nothing else.")
def decline_nobinding(env):
    answer = _closing(Client(env), DECLINE, ia_with(str(config.MAIN.subnet[0x53]), 31))
    _nobinding(answer, (dhcp6.IA_NA, 31))


@check("decline-not-given-again", "RFC 9915 18.3.8",
       "A declined address is given to nobody: neither to others nor to the same client.")
def decline_rests(env):
    link = env.tiny()
    clients = [Client(env, Relay(link)) for _ in range(2)]
    keys = [client.lease() for client in clients]
    _closing(clients[0], DECLINE, ia_with(keys[0]))
    for client in (Client(env, Relay(link)), clients[0]):
        ia = client.ask(REQUEST, ia_with(keys[0])).na(1)
        expect(not ia.live() and ia.status() == dhcp6.NO_ADDRS_AVAIL, f"{ia}")


@check("decline-client-gets-another", "RFC 9915 18.3.8",
       "After a Decline the client is given another address.")
def decline_another(env):
    client = Client(env)
    key = client.lease()
    _closing(client, DECLINE, ia_with(key))
    expect(client.lease() != key, "the declined address was given again")


@check("decline-ends-lease", "RFC 9915 18.3.8",
       "A declined address cannot be renewed.")
def decline_ends(env):
    client = Client(env)
    key = client.lease()
    _closing(client, DECLINE, ia_with(key))
    ia = client.renew(ia_with(key)).na(1)
    expect(ia is not None and key not in ia.keys(), f"{ia}")


@check("decline-of-foreign-address", "RFC 9915 18.3.8",
       "A client cannot decline another client's address.")
def decline_foreign(env):
    owner, thief = Client(env), Client(env)
    key = owner.lease()
    _nobinding(_closing(thief, DECLINE, ia_with(key)), (dhcp6.IA_NA, 1))
    expect(owner.holds(key), "the owner lost its lease")
    thief.lease()
    _closing(thief, DECLINE, ia_with(key))
    expect(owner.holds(key), "the owner lost its lease to an IA with a binding of its own")


@check("decline-of-free-address", "RFC 9915 18.3.8",
       "An address not assigned to the client is ignored: it stays available.")
def decline_free(env):
    link = env.tiny()
    free = [f"{link.subnet.network_address}{tail}" for tail in ("10", "11")]
    _closing(Client(env, Relay(link)), DECLINE, *[ia_with(key, n) for n, key in enumerate(free)])
    keys = {Client(env, Relay(link)).lease() for _ in range(2)}
    expect(keys == set(free), f"{keys}")


@check("decline-of-prefix", "RFC 9915 18.3.8",
       "Decline is for addresses: an IA_PD in it does not end the delegation.")
def decline_prefix(env):
    client = Client(env)
    key = client.delegate()
    client.survives(client.build(DECLINE, ia_with(key)))
    expect(client.holds(key), "the prefix is gone")


# ---- INFORMATION-REQUEST ------------------------------------------------------------------------

@check("information-request-reply", "RFC 9915 18.3.6",
       "An Information-request with Client Identifier: Reply with the options asked for.")
def information(env):
    answer = Client(env).ask(INFORMATION_REQUEST, oro=(dhcp6.DNS_SERVERS,))
    expect(answer.kind == REPLY and answer.options.has(dhcp6.DNS_SERVERS), f"{answer}")


@check("information-request-direct", "RFC 9915 18.3.6",
       "An unrelayed Information-request is answered.")
def information_direct(env):
    expect(Client(env, Direct()).ask(INFORMATION_REQUEST).kind == REPLY, "not a Reply")


@check("information-request-without-client-id", "RFC 9915 18.3.6",
       "Without Client Identifier it is answered too, and the Reply has none.")
def information_anonymous(env):
    answer = Client(env).ask(INFORMATION_REQUEST, client=False, oro=(dhcp6.DNS_SERVERS,))
    expect(answer.kind == REPLY and answer.options.has(dhcp6.DNS_SERVERS), f"{answer}")
    expect(not answer.options.has(dhcp6.CLIENTID), "the Reply holds a Client Identifier")


@check("information-request-own-server-id", "RFC 9915 16.12",
       "An Information-request with this server's identifier is answered.")
def information_own(env):
    expect(Client(env).ask(INFORMATION_REQUEST, server=True).kind == REPLY, "not a Reply")


@check("information-refresh-time", "RFC 9915 21.23",
       "Information Refresh Time comes in the Reply if asked for, at least 600 s.")
def refresh(env):
    data = Client(env).ask(INFORMATION_REQUEST,
                           oro=(dhcp6.INFORMATION_REFRESH_TIME,)).options.one(
                               dhcp6.INFORMATION_REFRESH_TIME)
    expect(data == config.INFORMATION_REFRESH_S.to_bytes(4, "big"), f"{data}")


@check("information-refresh-time-not-asked", "RFC 9915 21.23",
       "Information Refresh Time does not come unasked.")
def refresh_not_asked(env):
    answer = Client(env).ask(INFORMATION_REQUEST, oro=(dhcp6.DNS_SERVERS,))
    expect(not answer.options.has(dhcp6.INFORMATION_REFRESH_TIME), f"{answer}")


@check("information-refresh-time-elsewhere", "RFC 9915 21.23",
       "Information Refresh Time stands in Replies to Information-request only, asked for or not.")
def refresh_elsewhere(env):
    client = Client(env, oro=(dhcp6.INFORMATION_REFRESH_TIME, dhcp6.DNS_SERVERS))
    for answer in (client.solicit(dhcp6.ia_na(1)), client.ask(REQUEST, dhcp6.ia_na(1)),
                   client.renew(dhcp6.ia_na(1))):
        expect(not answer.options.has(dhcp6.INFORMATION_REFRESH_TIME), f"{answer}")


@check("information-inf-max-rt", "RFC 9915 21.25",
       "INF_MAX_RT comes in the Reply to an Information-request if asked for.")
def inf_max_rt(env):
    data = Client(env).ask(INFORMATION_REQUEST, oro=(dhcp6.INF_MAX_RT,)).options.one(
        dhcp6.INF_MAX_RT)
    expect(data == (7200).to_bytes(4, "big"), f"{data}")
