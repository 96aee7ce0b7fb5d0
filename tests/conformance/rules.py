"""Rules that every single answer must keep. Each exchange of the suite passes through judge(); what
it finds is kept under the rule's name and reported by the check of that name (checks_every.py)."""

import ipaddress
import time

import config
import dhcp6
import wire

# Options of the server's protocol machinery; everything else must have been asked for by ORO.
UNASKED = {dhcp6.CLIENTID, dhcp6.SERVERID, dhcp6.IA_NA, dhcp6.IA_PD, dhcp6.PREFERENCE,
           dhcp6.STATUS_CODE, dhcp6.RAPID_COMMIT, dhcp6.RECONF_ACCEPT, dhcp6.AUTH}
# Options that only clients or relay agents send, or that belong into other options.
NEVER = {dhcp6.IA_TA, dhcp6.IAADDR, dhcp6.ORO, dhcp6.ELAPSED_TIME, dhcp6.RELAY_MSG, dhcp6.UNICAST,
         dhcp6.USER_CLASS, dhcp6.INTERFACE_ID, dhcp6.RECONF_MSG, dhcp6.IAPREFIX, dhcp6.REMOTE_ID,
         dhcp6.SUBSCRIBER_ID, dhcp6.ERO, dhcp6.RELAY_ID, dhcp6.RSOO, dhcp6.PD_EXCLUDE,
         dhcp6.CLIENT_LINKLAYER_ADDR, dhcp6.RELAY_PORT}

# Reserved interface identifiers (RFC 5453): anycast ids, and the ones of IANA's own OUI.
RESERVED_IIDS = [(0, 0), (0x02005EFFFE000000, 0x02005EFFFE005212), (0x02005EFFFE005213,) * 2,
                 (0x02005EFFFE005214, 0x02005EFFFEFFFFFF),
                 (0xFDFFFFFFFFFFFF80, 0xFDFFFFFFFFFFFFFF)]


def reserved_iid(address):
    iid = int(address) & (1 << 64) - 1
    return any(low <= iid <= high for low, high in RESERVED_IIDS)


class Ledger:
    """What all clients together believe to hold, from the Replies they got."""

    def __init__(self):
        self.addresses = {}     # text -> (owner, monotonic end)
        self.prefixes = {}

    def _table(self, lease):
        return self.prefixes if lease.code == dhcp6.IAPREFIX else self.addresses

    def grant(self, owner, lease):
        """Records a lease; the name of the violation if someone else still holds it."""
        table, now = self._table(lease), time.monotonic()
        holder = table.get(lease.key)
        table[lease.key] = (owner, now + lease.valid, lease)
        if holder and holder[0] != owner and holder[1] > now:
            return f"{lease.key} was given to {owner} while {holder[0]} holds it"
        if lease.code == dhcp6.IAPREFIX:
            return self._overlap(owner, lease, now)
        return None

    def _overlap(self, owner, lease, now):
        """A prefix must not lie in anybody else's prefix, nor contain one."""
        try:
            mine = lease.network()
        except ValueError:
            return None
        for key, (holder, end, _) in self.prefixes.items():
            if key != lease.key and end > now and holder != owner \
                    and mine.overlaps(ipaddress.IPv6Network(key, strict=False)):
                return f"{lease.key} of {owner} overlaps {key} of {holder}"
        return None

    def drop(self, owner, key):
        for table in (self.addresses, self.prefixes):
            if key in table and table[key][0] == owner:
                del table[key]

    def drop_client(self, owner):
        for table in (self.addresses, self.prefixes):
            for key in [key for key, entry in table.items() if entry[0] == owner]:
                del table[key]


def judge(env, client, data, frame):
    """Checks an answer against the message it answers, and returns its innermost message."""
    env.answers += 1
    _judge_frame(env, client, frame)
    levels, inner = dhcp6.unwrap(frame.data)
    _judge_levels(env, client, levels)
    answer = dhcp6.Message(inner)
    asked = dhcp6.Message(data)
    _judge_identifiers(env, client, asked, answer)
    _judge_options(env, asked, answer)
    _judge_ias(env, client, asked, answer)
    _keep_ledger(env, client, asked, answer)
    return answer


def _judge_frame(env, client, frame):
    path = client.path
    for fault in frame.faults:
        env.violation("reply-frame-whole", fault)
    if frame.destination_mac != path.mac:
        env.violation("reply-to-sender-mac", f"sent to {frame.destination_mac.hex(':')}, the sender "
                      f"is {path.mac.hex(':')}")
    if frame.source_mac != env.server_mac[path.port]:
        env.violation("reply-from-port-mac", f"sent from {frame.source_mac.hex(':')}")
    ours = {wire.link_local(env.server_mac[path.port]),
            dhcp6.address(config.PORT_ADDRESSES[path.port])}
    if frame.source not in ours:
        env.violation("reply-source-address", f"sent from {frame.source}")
    if frame.destination.is_link_local and not frame.source.is_link_local:
        env.violation("reply-source-scope", f"{frame.source} to {frame.destination}")
    if frame.destination_port != path.reply_port:
        env.violation("reply-destination-port",
                      f"to port {frame.destination_port} instead of {path.reply_port}")
    if frame.hop_limit == 0:
        env.violation("reply-frame-whole", "hop limit is 0")
    _judge_tags(env, path.tags, frame.tags)


def _judge_tags(env, sent, have):
    """Same VLANs in the same order; a tag of VLAN 0 carries only a priority and may be left out."""
    ids = [[tci & 0xFFF for _, tci in tags] for tags in (sent, have)]
    if [vlan for vlan in ids[0] if vlan] != [vlan for vlan in ids[1] if vlan]:
        env.violation("reply-vlan-tags", f"VLANs {ids[1]} in answer to {ids[0]}")
    elif len(sent) == len(have) and [tpid for tpid, _ in sent] != [tpid for tpid, _ in have]:
        types = [[f"{tpid:#x}" for tpid, _ in tags] for tags in (sent, have)]
        env.violation("reply-vlan-tag-types", f"tags {types[1]} in answer to {types[0]}")


def _judge_levels(env, client, levels):
    """The Relay-reply chain against the Relay-forward chain (RFC 9915 19.3)."""
    sent = list(reversed(client.path.levels))
    if len(levels) != len(sent):
        env.violation("relay-levels", f"{len(levels)} levels in answer to {len(sent)}")
        return
    for have, want in zip(levels, sent):
        if have.kind != dhcp6.RELAY_REPL:
            env.violation("relay-reply-type", f"type {have.kind}")
        if have.hop != want.hop:
            env.violation("relay-hop-count", f"{have.hop} for {want.hop}")
        if have.link != want.link:
            env.violation("relay-link-address", f"{have.link} for {want.link}")
        if have.peer != want.peer:
            env.violation("relay-peer-address", f"{have.peer} for {want.peer}")
        _judge_level_options(env, have, dhcp6.Options(want.options))


def _judge_level_options(env, have, want):
    for rule, code in (("relay-interface-id-every", dhcp6.INTERFACE_ID),
                       ("relay-source-port-copied", dhcp6.RELAY_PORT)):
        if have.options.all(code) != want.all(code):
            env.violation(rule, f"{have.options.all(code)} for {want.all(code)}")
    echo = want.one(dhcp6.ERO) or b""
    echoed = {int.from_bytes(echo[at:at + 2], "big") for at in range(0, len(echo) - 1, 2)}
    allowed = echoed | {dhcp6.RELAY_MSG, dhcp6.INTERFACE_ID, dhcp6.RELAY_PORT}
    for code, data in have.options:
        if code not in allowed:
            env.violation("relay-no-other-options", f"option {code} in a Relay-reply")
        elif code != dhcp6.RELAY_MSG and data not in want.all(code):
            env.violation("relay-no-other-options", f"option {code} was not in the Relay-forward")


def _judge_identifiers(env, client, asked, answer):
    if answer.xid != asked.xid:
        env.violation("transaction-id", f"{answer.xid:06x} for {asked.xid:06x}")
    rapid = asked.kind == dhcp6.SOLICIT and asked.options.has(dhcp6.RAPID_COMMIT)
    allowed = {dhcp6.REPLY} if asked.kind != dhcp6.SOLICIT else \
        {dhcp6.ADVERTISE, dhcp6.REPLY} if rapid else {dhcp6.ADVERTISE}
    if answer.kind not in allowed:
        env.violation("answer-type", f"{asked.name} answered by {answer.name}")
    servers = answer.options.all(dhcp6.SERVERID)
    if servers != [env.server_duid]:
        env.violation("server-id-present", f"{asked.name}: {[duid.hex() for duid in servers]}")
    if answer.options.all(dhcp6.CLIENTID) != asked.options.all(dhcp6.CLIENTID):
        env.violation("client-id-copied", f"{asked.name}: "
                      f"{[duid.hex() for duid in answer.options.all(dhcp6.CLIENTID)]}")


def _oro(asked):
    codes = set()
    for data in asked.options.all(dhcp6.ORO):
        codes |= {int.from_bytes(data[at:at + 2], "big") for at in range(0, len(data) - 1, 2)}
    return codes


def _judge_options(env, asked, answer):
    wanted, codes = _oro(asked), answer.options.codes()
    for code in codes:
        if code in NEVER:
            env.violation("no-foreign-options", f"option {code} in {answer.name}")
        elif code not in UNASKED and code not in wanted:
            env.violation("options-only-when-asked", f"option {code} in answer to {asked.name}")
        if codes.count(code) > 1 and code not in dhcp6.NON_SINGLETON_IN_MESSAGE:
            env.violation("singletons-once", f"option {code} {codes.count(code)} times")
    enterprises = [data[:4] for data in answer.options.all(dhcp6.VENDOR_OPTS)]
    if len(set(enterprises)) != len(enterprises):
        env.violation("singletons-once", "two Vendor Options of one enterprise")
    _judge_placement(env, asked, answer)
    for where, options in [("message", answer.options)] + [("IA", ia.options) for ia in answer.ias]:
        for data in options.all(dhcp6.STATUS_CODE):
            _judge_status(env, where, data)


def _judge_placement(env, asked, answer):
    """Options that belong into one kind of answer only."""
    rapid = asked.kind == dhcp6.SOLICIT and asked.options.has(dhcp6.RAPID_COMMIT)
    has = answer.options.has
    if has(dhcp6.RAPID_COMMIT) != (rapid and answer.kind == dhcp6.REPLY):
        env.violation("rapid-commit-placement", f"{answer.name} for {asked.name}")
    if has(dhcp6.PREFERENCE) and answer.kind != dhcp6.ADVERTISE:
        env.violation("preference-placement", f"in {answer.name} for {asked.name}")
    if has(dhcp6.INFORMATION_REFRESH_TIME) and asked.kind != dhcp6.INFORMATION_REQUEST:
        env.violation("information-refresh-placement", f"in the answer to {asked.name}")
    if has(dhcp6.CLIENT_FQDN) and not asked.options.has(dhcp6.CLIENT_FQDN):
        env.violation("fqdn-placement", f"in answer to {asked.name} without one")
    if (has(dhcp6.RECONF_ACCEPT) or has(dhcp6.AUTH)) and answer.kind == dhcp6.REPLY \
            and not asked.options.has(dhcp6.RECONF_ACCEPT):
        env.violation("reconfigure-only-if-accepted", f"in answer to {asked.name}")


def _judge_status(env, where, data):
    if len(data) < 2:
        env.violation("status-code-form", f"{len(data)} octets")
        return
    code = int.from_bytes(data[:2], "big")
    try:
        data[2:].decode("utf-8")
    except UnicodeDecodeError:
        env.violation("status-code-form", "text is not UTF-8")
    if b"\0" in data[2:]:
        env.violation("status-code-form", "text holds a NUL")
    if code == dhcp6.USE_MULTICAST:
        env.violation("no-use-multicast", f"in {where}")


def _judge_ias(env, client, asked, answer):
    sent = {(ia.code, ia.iaid) for ia in asked.ias}
    have = [(ia.code, ia.iaid) for ia in answer.ias]
    if len(set(have)) != len(have):
        env.violation("ia-once", f"{have}")
    if asked.kind in (dhcp6.SOLICIT, dhcp6.REQUEST, dhcp6.RENEW) and sent - set(have):
        env.violation("every-ia-answered", f"{asked.name}: {sorted(sent - set(have))} missing")
    if asked.kind in (dhcp6.INFORMATION_REQUEST, dhcp6.CONFIRM) and have:
        env.violation("no-ia-without-leases", f"in the answer to {asked.name}")
    times = {(ia.t1, ia.t2) for ia in answer.ias if ia.live()}
    if len(times) > 1:
        env.violation("uniform-t1-t2", f"{asked.name}: {sorted(times)}")
    for ia in answer.ias:
        _judge_ia(env, client, asked, ia)
    keys = [lease.key for ia in answer.ias for lease in ia.leases]
    if len(set(keys)) != len(keys):
        env.violation("lease-once", f"{keys}")


def _judge_ia(env, client, asked, ia):
    if ia.t1 > ia.t2 > 0:
        env.violation("t1-not-above-t2", f"{ia}")
    live = ia.live()
    if live and max(ia.t1, ia.t2) > min(lease.valid for lease in live):
        env.violation("t1-t2-within-lifetimes", f"{ia}")
    wrong = dhcp6.NO_PREFIX_AVAIL if ia.code == dhcp6.IA_NA else dhcp6.NO_ADDRS_AVAIL
    status = ia.status()
    if status == wrong:
        env.violation("status-fits-ia-type", f"{ia}")
    if status in (dhcp6.NO_ADDRS_AVAIL, dhcp6.NO_PREFIX_AVAIL, dhcp6.NO_BINDING) and live:
        env.violation("no-lease-beside-refusal", f"{ia}")
    if asked.kind in (dhcp6.SOLICIT, dhcp6.REQUEST) and not live and status == dhcp6.SUCCESS:
        env.violation("empty-ia-has-status", f"{asked.name}: {ia}")
    for lease in ia.leases:
        _judge_lease(env, client, asked, lease)


def _judge_lease(env, client, asked, lease):
    if lease.preferred > lease.valid:
        env.violation("preferred-not-above-valid", f"{lease}")
    if lease.options.has(dhcp6.PD_EXCLUDE) and dhcp6.PD_EXCLUDE not in _oro(asked):
        env.violation("pd-exclude-only-when-asked", f"{lease}")
    if lease.valid == 0:
        return
    link = client.path.link
    if lease.code == dhcp6.IAADDR:
        if not any(lease.address in network for network in link.networks):
            env.violation("address-fits-link", f"{lease.key} on {link.name}")
        kept = {row[1] for row in config.RESERVATIONS.values()}
        if lease.key not in kept and not any(low <= int(lease.address) <= high
                                             for low, high in link.address_pools()):
            env.violation("address-from-pool", f"{lease.key} on {link.name}")
        if reserved_iid(lease.address):
            env.violation("no-reserved-iid", lease.key)
        return
    try:
        network = lease.network()
    except ValueError:
        env.violation("prefix-bits-zero", lease.key)
        return
    reserved = {ipaddress.IPv6Network(row[2]) for row in config.RESERVATIONS.values()}
    if not any(network.subnet_of(pool) and network.prefixlen == length
               for pool, length in link.prefix_pools()) and network not in reserved:
        env.violation("prefix-from-pool", f"{lease.key} on {link.name}")


def _keep_ledger(env, client, asked, answer):
    """Who holds what, so that no lease can have two holders unseen."""
    if asked.kind in (dhcp6.RELEASE, dhcp6.DECLINE):
        for ia in asked.ias:
            for lease in ia.leases:
                env.ledger.drop((client.duid.hex(), ia.code, ia.iaid), lease.key)
    elif answer.kind == dhcp6.REPLY:
        for ia in answer.ias:
            owner = (client.duid.hex(), ia.code, ia.iaid)
            for lease in ia.leases:
                if lease.valid == 0:
                    env.ledger.drop(owner, lease.key)
                    continue
                text = env.ledger.grant(owner, lease)
                if text:
                    env.violation("one-holder-per-lease", text)
