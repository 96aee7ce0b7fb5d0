"""What a killed and restarted server still knows: bindings are on stable storage before the Reply
(RFC 9915 18.3.1 "MUST commit", 18.3.2)."""

import config
import dhcp6
import wire
from dhcp6 import DECLINE, REBIND, RELEASE, REQUEST
from suite import Client, Direct, Relay, check, expect, ia_with


def prepare(env):
    """Leaves bindings behind; called right before the server is killed."""
    kept = env.kept
    kept["duid"] = env.server_duid
    kept["held"] = []
    for path in (Direct, Relay):
        for _ in range(10):
            client = Client(env, path())
            answer = client.ask(REQUEST, dhcp6.ia_na(1), dhcp6.ia_pd(1))
            kept["held"].append((client, answer.na(1).keys()[0], answer.pd(1).keys()[0]))
    link = env.tiny()
    kept["full"] = (link, [Client(env, Relay(link)).lease() for _ in range(2)])
    link = env.tiny()
    client = Client(env, Relay(link))
    key = client.lease()
    client.ask(DECLINE, ia_with(key))
    Client(env, Relay(link)).lease()
    kept["declined"] = (link, key, client)
    client = Client(env)
    key = client.lease()
    client.ask(RELEASE, ia_with(key))
    kept["released"] = (client, key)
    client = Client(env, Relay(config.RAPID))
    answer = client.ask(dhcp6.SOLICIT, dhcp6.rapid_commit(), dhcp6.ia_na(1))
    kept["rapid"] = (client, answer.na(1).keys()[0])


@check("restart-server-duid", "RFC 9915 11",
       "The server's DUID is the same after kill -9 and restart.", phase="restart")
def same_duid(env):
    frame_duid = Client(env, Direct()).solicit(dhcp6.ia_na(1)).server_duid
    expect(frame_duid == env.kept["duid"], f"{frame_duid.hex()} after {env.kept['duid'].hex()}")


@check("restart-renew", "RFC 9915 18.3.4",
       "Leases given before kill -9 are renewed after the restart.", phase="restart")
def renew(env):
    for client, key, prefix in env.kept["held"][::2]:
        answer = client.renew(ia_with(key), ia_with(prefix))
        expect(answer.live_keys() == [key, prefix], f"{answer}")


@check("restart-rebind", "RFC 9915 18.3.5",
       "Leases given before kill -9 are extended by Rebind after the restart.", phase="restart")
def rebind(env):
    # Not those of restart-renew: a Renew may have made their leases anew.
    for client, key, prefix in env.kept["held"][1::2]:
        answer = client.ask(REBIND, ia_with(key), ia_with(prefix))
        expect(answer.live_keys() == [key, prefix], f"{answer}")


@check("restart-same-lease-on-solicit", "RFC 9915 18.3.9",
       "A client with a lease from before is offered it again.", phase="restart")
def same_offer(env):
    for client, key, prefix in env.kept["held"]:
        offer = client.solicit(dhcp6.ia_na(1), dhcp6.ia_pd(1))
        expect(offer.live_keys() == [key, prefix], f"{offer}")


@check("restart-not-given-to-others", "RFC 9915 18.3.2",
       "Leases given before kill -9 are not given to others.", phase="restart")
def not_to_others(env):
    link, keys = env.kept["full"]
    for key in keys:
        ia = Client(env, Relay(link)).ask(REQUEST, ia_with(key)).na(1)
        expect(not ia.live() and ia.status() == dhcp6.NO_ADDRS_AVAIL, f"{ia}")


@check("restart-declined-rests", "RFC 9915 18.3.8",
       "An address declined before kill -9 still rests, also for the client that declined it.",
       phase="restart")
def declined(env):
    link, key, client = env.kept["declined"]
    for asking in (Client(env, Relay(link)), client):
        ia = asking.ask(REQUEST, ia_with(key)).na(1)
        expect(not ia.live(), f"{ia}")


@check("restart-released-stays-released", "RFC 9915 18.3.7",
       "A lease released before kill -9 is not bound after it.", phase="restart")
def released(env):
    client, key = env.kept["released"]
    ia = client.release(ia_with(key)).na(1)
    expect(ia and ia.status() == dhcp6.NO_BINDING, f"{ia}")


@check("restart-rapid-commit-lease", "RFC 9915 18.3.1",
       "A lease given by Rapid Commit is on stable storage too.", phase="restart")
def rapid(env):
    client, key = env.kept["rapid"]
    ia = Client(env, Relay(config.RAPID)).ask(REQUEST, ia_with(key)).na(1)
    expect(key not in ia.keys(), "another client gets it")
    expect(client.holds(key), "it is not extended")


@check("restart-answers-on-same-address", "RFC 9915 18.3.10",
       "Relay agents reach the restarted server at the same address.", phase="restart")
def same_address(env):
    expect(wire.link_local(env.server_mac[0]).is_link_local
           and Client(env).solicit(dhcp6.ia_na(1)).na(1).live(), "no offer")
