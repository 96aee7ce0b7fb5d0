"""Rules that hold for every answer. They are watched in all exchanges of the run (rules.py); the
checks here report what was seen. They run last and need at least one exchange."""

import dhcp6
from suite import Client, Direct, Relay, check, expect

EVERY = [
    ("transaction-id", "RFC 9915 18.3", "The transaction-id of an answer is that of the message."),
    ("answer-type", "RFC 9915 18.3",
     "A Solicit is answered by Advertise (by Reply only with Rapid Commit), the others by Reply."),
    ("server-id-present", "RFC 9915 18.3", "Every answer has one Server Identifier, always the same."),
    ("client-id-copied", "RFC 9915 16.10",
     "Every answer has the client's Client Identifier, none if there was none."),
    ("decodes", "RFC 9915 21.1", "Every answer can be decoded without a rest."),
    ("every-ia-answered", "RFC 9915 18.3",
     "Every IA of a Solicit, Request or Renew is in the answer (RFC 7550 4)."),
    ("ia-once", "RFC 9915 21.4", "No answer holds two IAs of the same type and IAID."),
    ("no-ia-without-leases", "RFC 9915 18.3",
     "Answers to Confirm and Information-request hold no IA."),
    ("uniform-t1-t2", "RFC 9915 18.3.2", "T1 and T2 are the same in all IAs of an answer."),
    ("t1-not-above-t2", "RFC 9915 21.4", "T1 is not greater than T2, unless T2 is 0."),
    ("t1-t2-within-lifetimes", "RFC 9915 21.4",
     "T1 and T2 are not beyond the valid lifetime of any lease to be extended."),
    ("preferred-not-above-valid", "RFC 9915 21.6",
     "No preferred lifetime is above the valid lifetime."),
    ("status-fits-ia-type", "RFC 9915 21.13",
     "NoAddrsAvail stands in IA_NA only, NoPrefixAvail in IA_PD only."),
    ("no-lease-beside-refusal", "RFC 9915 18.3.2",
     "An IA with NoAddrsAvail, NoPrefixAvail or NoBinding holds no lease."),
    ("empty-ia-has-status", "RFC 9915 18.3.2",
     "An IA without leases in an Advertise or Reply says why in a Status Code."),
    ("status-code-form", "RFC 9915 21.13", "Status texts are UTF-8 without NUL."),
    ("no-use-multicast", "RFC 9915 21.13", "The obsolete status UseMulticast is never sent."),
    ("lease-once", "RFC 9915 18.3.2", "No answer holds the same lease twice."),
    ("one-holder-per-lease", "RFC 9915 18.3.2",
     "No lease is given to two clients, or two IAs, at the same time; no prefixes overlap."),
    ("address-fits-link", "RFC 9915 13.1", "Every address is one of the client's link."),
    ("address-from-pool", "RFC 9915 13.1",
     "Every address is from a pool of the link or reserved for the client."),
    ("no-reserved-iid", "RFC 9915 13.1", "No address has a reserved interface identifier."),
    ("prefix-from-pool", "RFC 9915 13.2",
     "Every prefix is from a pool of the client's link and of its length."),
    ("prefix-bits-zero", "RFC 9915 21.22", "No prefix has bits set behind its length."),
    ("pd-exclude-only-when-asked", "RFC 6603 5.2", "Prefix Exclude comes only with 67 in the ORO."),
    ("singletons-once", "RFC 9915 21", "Options that may stand once stand once."),
    ("options-only-when-asked", "RFC 9915 21.7",
     "No configuration option comes that the ORO did not ask for."),
    ("no-foreign-options", "RFC 9915 21",
     "No answer holds options of clients or relay agents, IA_TA or Server Unicast."),
    ("rapid-commit-placement", "RFC 9915 21.14",
     "Rapid Commit stands in Replies to a Solicit with Rapid Commit only, and always there."),
    ("preference-placement", "RFC 9915 21.8", "Preference stands in Advertise only."),
    ("information-refresh-placement", "RFC 9915 21.23",
     "Information Refresh Time stands in Replies to Information-request only."),
    ("fqdn-placement", "RFC 4704 6", "Client FQDN answers a Client FQDN only."),
    ("reconfigure-only-if-accepted", "RFC 9915 20.4",
     "Reconfigure Accept and keys are sent only to clients with Reconfigure Accept."),
    ("relay-levels", "RFC 9915 19.3", "The Relay-reply has as many levels as the Relay-forward."),
    ("relay-reply-type", "RFC 9915 19.3", "Every level of the answer is a Relay-reply."),
    ("relay-hop-count", "RFC 9915 19.3", "Each level's hop-count is copied."),
    ("relay-link-address", "RFC 9915 19.3", "Each level's link-address is copied."),
    ("relay-peer-address", "RFC 9915 19.3", "Each level's peer-address is copied."),
    ("relay-interface-id-every", "RFC 9915 21.18",
     "Each level's Interface-Id is copied, and none is made up."),
    ("relay-source-port-copied", "RFC 8357 5.2",
     "Each level's Relay Source Port is copied, and none is made up."),
    ("relay-no-other-options", "RFC 9915 19.3",
     "Each level holds no other options but those to echo, unchanged."),
    ("reply-frame-whole", "RFC 8200 8.1",
     "Every answer's frame is whole: lengths, hop limit, right and non-zero UDP checksum."),
    ("reply-to-sender-mac", "RFC 9915 18.3.10", "Every answer's frame goes to the sender's MAC."),
    ("reply-from-port-mac", "RFC 9915 18.3.10", "Every answer's frame comes from the port's MAC."),
    ("reply-source-address", "RFC 9915 18.3.10", "Every answer comes from an address of the port."),
    ("reply-source-scope", "RFC 6724 5",
     "Answers to link-local addresses come from a link-local address."),
    ("reply-destination-port", "RFC 9915 7.2",
     "Answers go to port 546 of clients, 547 of relays or as RFC 8357 says."),
    ("reply-vlan-tags", "IEEE 802.1Q", "Every answer is in the VLANs of its message."),
    ("reply-vlan-tag-types", "IEEE 802.1Q",
     "Every answer's tags are of the types of its message's (0x88a8, 0x8100)."),
]


def _every(name, clause, rule):
    @check(f"every-answer-{name}", clause, rule, phase="final")
    def run(env):
        if env.answers == 0:
            for path in (Relay(), Direct()):
                Client(env, path).obtain(dhcp6.ia_na(1), dhcp6.ia_pd(1))
        found = env.violations.get(name, [])
        expect(not found, "; ".join(found[:3]) + (f" ({len(found)} kinds)" if len(found) > 3 else ""))


for _row in EVERY:
    _every(*_row)


@check("no-unasked-frames", "RFC 9915 18.3",
       "The server sends no message that does not answer one, and none twice.", phase="final")
def unasked(env):
    texts = [f"{frame.source} to {frame.destination} port {frame.destination_port}, "
             f"{len(frame.data)} octets" for frame in env.drain()]
    expect(not texts, "; ".join(texts[:5]))


@check("answered-at-once", "RFC 9915 15",
       "Messages are answered when sent for the first time; at most one in fifty is sent again.",
       phase="final")
def at_once(env):
    count = len(env.retransmitted)
    expect(count * 50 <= env.answers or count <= 1, f"{count} of {env.answers} were sent twice")


@check("server-still-runs", "RFC 9915 16",
       "Nothing that the suite sent, however malformed, has ended the server.", phase="final")
def still_runs(env):
    expect(env.lab.running(), "the server has ended:\n" + env.lab.log_tail())
    for path in (Relay(),):
        env.sentinel(path)
