/* A server that errs once, in every way there is a verdict for: the error is noticed as what it is,
 * once, and nothing else is. */
#include <stdlib.h>

#include "../../check.h"
#include "check.h"
#include "dhcp6/message.h"
#include "dhcp6/option.h"
#include "fake.h"

static void spoil_cut(struct fake_answer *answer)
{
    answer->cut = 3;
}

static void spoil_two_server_ids(struct fake_answer *answer)
{
    answer->server_id_count = 2;
}

static void spoil_hop_count(struct fake_answer *answer)
{
    answer->hop_count++;
}

static void spoil_link_address(struct fake_answer *answer)
{
    answer->link_address.lo++;
}

static void spoil_peer_outside(struct fake_answer *answer)
{
    answer->peer_address.lo += 1000;
}

static void spoil_peer_foreign(struct fake_answer *answer)
{
    answer->peer_address.hi++;
}

static void spoil_interface_id(struct fake_answer *answer)
{
    answer->interface_id[7]++;
}

static void spoil_other_relay(struct fake_answer *answer)
{
    answer->relay++;
}

static void spoil_no_relay(struct fake_answer *answer)
{
    answer->relayed = false;
}

static void spoil_client_id(struct fake_answer *answer)
{
    answer->client_id[5]++;
}

static void spoil_no_client_id(struct fake_answer *answer)
{
    answer->client_id_size = 0;
}

static void spoil_xid_ahead(struct fake_answer *answer)
{
    answer->xid = (answer->xid + 1) & 0xffffff;
}

static void spoil_xid_behind(struct fake_answer *answer)
{
    answer->xid = (answer->xid - 1) & 0xffffff;
}

static void spoil_type(struct fake_answer *answer)
{
    answer->type = answer->type == DHCP6_REPLY ? DHCP6_ADVERTISE : DHCP6_REPLY;
}

static void spoil_no_rapid_commit(struct fake_answer *answer)
{
    answer->rapid_commit = false;
}

static void spoil_server_id(struct fake_answer *answer)
{
    answer->server_id[9]++;
}

static void spoil_no_server_id(struct fake_answer *answer)
{
    answer->server_id_count = 0;
}

static void spoil_no_ia(struct fake_answer *answer)
{
    answer->na.count = 0;
}

static void spoil_two_ias(struct fake_answer *answer)
{
    answer->pd.count = 2;
}

static void spoil_iaid(struct fake_answer *answer)
{
    answer->pd.iaid++;
}

static void spoil_two_leases(struct fake_answer *answer)
{
    answer->na.lease_count = 2;
    answer->na.leases[1] = answer->na.leases[0];
    answer->na.leases[1].prefix.lo += 7;
}

static void spoil_no_lease(struct fake_answer *answer)
{
    answer->na.lease_count = 0;
}

static void spoil_link_local(struct fake_answer *answer)
{
    answer->na.leases[0].prefix.hi = 0xfe80000000000000;
}

static void spoil_host_bits(struct fake_answer *answer)
{
    answer->pd.leases[0].prefix.hi++;
}

static void spoil_prefix_length(struct fake_answer *answer)
{
    answer->pd.leases[0].length = 0;
}

static void spoil_preferred(struct fake_answer *answer)
{
    answer->na.leases[0].preferred_s = answer->na.leases[0].valid_s + 1;
}

static void spoil_t1(struct fake_answer *answer)
{
    answer->pd.t1_s = answer->pd.t2_s + 1;
}

static void spoil_long(struct fake_answer *answer)
{
    answer->pd.leases[0].valid_s = FAKE_VALID_S + 1;
}

static void spoil_short(struct fake_answer *answer)
{
    answer->na.leases[0].preferred_s = answer->na.leases[0].valid_s = 59;
}

static void spoil_valid_0(struct fake_answer *answer)
{
    answer->na.leases[0].preferred_s = answer->na.leases[0].valid_s = 0;
}

static void spoil_status(struct fake_answer *answer)
{
    answer->status = STATUS_UNSPEC_FAIL;
}

static void spoil_ia_status(struct fake_answer *answer)
{
    answer->na.status = STATUS_NOT_ON_LINK;
}

static void spoil_no_addresses(struct fake_answer *answer)
{
    answer->na.lease_count = 0;
    answer->na.status = STATUS_NO_ADDRS_AVAIL;
}

static void spoil_no_prefixes(struct fake_answer *answer)
{
    answer->pd.lease_count = 0;
    answer->pd.status = STATUS_NO_PREFIX_AVAIL;
}

static void spoil_no_addresses_at_top(struct fake_answer *answer)
{
    answer->na.count = answer->pd.count = 0;
    answer->status = STATUS_NO_ADDRS_AVAIL;
}

static void spoil_no_binding(struct fake_answer *answer)
{
    answer->pd.lease_count = 0;
    answer->pd.status = STATUS_NO_BINDING;
}

static void spoil_release_no_binding(struct fake_answer *answer)
{
    answer->na = (struct fake_ia){.count = 1, .iaid = 1, .status = STATUS_NO_BINDING};
}

static void spoil_other_address(struct fake_answer *answer)
{
    answer->na.leases[0].prefix.lo += 7;
}

static void spoil_other_prefix(struct fake_answer *answer)
{
    answer->pd.leases[0].prefix.hi += 0x700;
}

static void spoil_other_length(struct fake_answer *answer)
{
    answer->pd.leases[0].length = 57;
}

/* The old one is told with lifetime 0, as RFC 9915 18.3.4 has it, and another with one. */
static void spoil_replaced(struct fake_answer *answer)
{
    spoil_two_leases(answer);
    answer->na.leases[0].preferred_s = answer->na.leases[0].valid_s = 0;
}

static void spoil_neighbours_address(struct fake_answer *answer)
{
    answer->na.leases[0].prefix = fake_leases(1).address;
}

static void spoil_neighbours_prefix(struct fake_answer *answer)
{
    answer->pd.leases[0].prefix.hi = fake_leases(1).prefix;
}

static void spoil_nothing(struct fake_answer *answer)
{
    (void)answer;
}

struct fault {
    const char *name;
    enum op op;      /* what client 0 does */
    unsigned answer; /* which of its answers is spoilt, from 0 */
    void (*spoil)(struct fake_answer *answer);
    enum verdict verdict;
    bool served; /* the client finishes its exchange nevertheless, by repeating */
};

static const struct fault faults[] = {
    {"cut", OP_NEW, 0, spoil_cut, VERDICT_malformed, true},
    {"cut reply", OP_RENEW, 0, spoil_cut, VERDICT_malformed, true},
    {"two server ids", OP_NEW, 1, spoil_two_server_ids, VERDICT_malformed, true},
    {"hop count", OP_NEW, 0, spoil_hop_count, VERDICT_wrong_relay, true},
    {"link address", OP_RENEW, 0, spoil_link_address, VERDICT_wrong_relay, true},
    {"peer outside", OP_NEW, 0, spoil_peer_outside, VERDICT_wrong_relay, true},
    {"peer foreign", OP_NEW, 0, spoil_peer_foreign, VERDICT_wrong_relay, true},
    {"interface id", OP_NEW, 1, spoil_interface_id, VERDICT_wrong_relay, true},
    {"other relay", OP_NEW, 0, spoil_other_relay, VERDICT_wrong_relay, true},
    {"no relay", OP_NEW, 0, spoil_no_relay, VERDICT_wrong_relay, true},
    {"client id", OP_NEW, 0, spoil_client_id, VERDICT_wrong_client, true},
    {"no client id", OP_REBIND, 0, spoil_no_client_id, VERDICT_wrong_client, true},
    {"xid ahead", OP_NEW, 0, spoil_xid_ahead, VERDICT_wrong_transaction, true},
    {"xid behind", OP_NEW, 1, spoil_xid_behind, VERDICT_late, true},
    {"reply to solicit", OP_NEW, 0, spoil_type, VERDICT_wrong_type, true},
    {"advertise to request", OP_NEW, 1, spoil_type, VERDICT_wrong_type, true},
    {"advertise to renew", OP_RENEW, 0, spoil_type, VERDICT_wrong_type, true},
    {"no rapid commit", OP_RAPID, 0, spoil_no_rapid_commit, VERDICT_wrong_type, true},
    {"server id", OP_NEW, 1, spoil_server_id, VERDICT_wrong_server, true},
    {"server id of renew", OP_RENEW, 0, spoil_server_id, VERDICT_wrong_server, true},
    {"server id of release", OP_RELEASE, 0, spoil_server_id, VERDICT_wrong_server, true},
    {"no server id", OP_NEW, 0, spoil_no_server_id, VERDICT_wrong_server, true},
    {"no ia", OP_NEW, 1, spoil_no_ia, VERDICT_wrong_ia, true},
    {"two ias", OP_NEW, 1, spoil_two_ias, VERDICT_wrong_ia, true},
    {"iaid", OP_RENEW, 0, spoil_iaid, VERDICT_wrong_ia, true},
    {"two leases", OP_NEW, 1, spoil_two_leases, VERDICT_wrong_ia, true},
    {"no lease", OP_NEW, 1, spoil_no_lease, VERDICT_wrong_ia, true},
    {"link local", OP_NEW, 1, spoil_link_local, VERDICT_wrong_ia, true},
    {"host bits", OP_NEW, 1, spoil_host_bits, VERDICT_wrong_ia, true},
    {"prefix length", OP_NEW, 1, spoil_prefix_length, VERDICT_wrong_ia, true},
    {"preferred", OP_NEW, 1, spoil_preferred, VERDICT_wrong_lifetime, true},
    {"t1", OP_REBIND, 0, spoil_t1, VERDICT_wrong_lifetime, true},
    {"long", OP_RENEW, 0, spoil_long, VERDICT_wrong_lifetime, true},
    {"short", OP_NEW, 1, spoil_short, VERDICT_wrong_lifetime, true},
    {"valid 0", OP_NEW, 1, spoil_valid_0, VERDICT_wrong_lifetime, true},
    {"status", OP_NEW, 1, spoil_status, VERDICT_wrong_status, true},
    {"ia status", OP_RENEW, 0, spoil_ia_status, VERDICT_wrong_status, true},
    {"no addresses", OP_NEW, 0, spoil_no_addresses, VERDICT_refused, false},
    {"no prefixes", OP_NEW, 1, spoil_no_prefixes, VERDICT_refused, false},
    {"no addresses at top", OP_NEW, 0, spoil_no_addresses_at_top, VERDICT_refused, false},
    {"lost by status", OP_RENEW, 0, spoil_no_binding, VERDICT_lost, false},
    {"lost by refusal", OP_REBIND, 0, spoil_no_prefixes, VERDICT_lost, false},
    {"lost by silence", OP_RENEW, 0, spoil_no_lease, VERDICT_lost, false},
    {"lost by lifetime", OP_REBIND, 0, spoil_valid_0, VERDICT_lost, false},
    {"lost before release", OP_RELEASE, 0, spoil_release_no_binding, VERDICT_lost, false},
    {"other address", OP_RENEW, 0, spoil_other_address, VERDICT_changed, false},
    {"other prefix", OP_REBIND, 0, spoil_other_prefix, VERDICT_changed, false},
    {"other length", OP_RENEW, 0, spoil_other_length, VERDICT_changed, false},
    {"replaced", OP_RENEW, 0, spoil_replaced, VERDICT_changed, false},
    {"neighbour's address", OP_NEW, 1, spoil_neighbours_address, VERDICT_duplicate, false},
    {"neighbour's prefix", OP_RAPID, 0, spoil_neighbours_prefix, VERDICT_duplicate, false},
    {"neighbour's in renew", OP_RENEW, 0, spoil_neighbours_address, VERDICT_duplicate, false},
    {"nothing, new", OP_NEW, 0, spoil_nothing, VERDICT_good, true},
    {"nothing, release", OP_RELEASE, 0, spoil_nothing, VERDICT_good, true},
    {"nothing, reboot", OP_REBOOT, 0, spoil_nothing, VERDICT_good, true},
};

struct plan {
    const struct fault *fault;
    unsigned answers; /* of client 0 so far */
};

static bool spoil_planned(struct fake *fake, struct fake_answer *answer)
{
    struct plan *plan = fake->spoil_ctx;

    if (plan->answers++ == plan->fault->answer) {
        plan->fault->spoil(answer);
    }
    return true;
}

/* Client 1 holds its leases and rests; client 0 does one exchange. */
static struct engine *engine_prepare(struct fake *fake, const struct settings *settings, enum op op)
{
    struct engine *engine = aligned_alloc(CACHE_LINE, sizeof(*engine));
    static const uint8_t server_id[10] = {0, 3, 0, 1, 2, 0xfa};
    bool holds = op != OP_NEW && op != OP_RAPID;

    T6_ASSERT(engine);
    CHECK_EQ(engine_init(engine, settings, fake_io(fake)), 0);
    CHECK_EQ(tally_server_index(&engine->tally, (struct span){server_id, sizeof(server_id)}), 0);
    for (uint32_t i = holds ? 0 : 1; i < 2; i++) {
        struct leases leases = fake_leases(i);

        CHECK_EQ(engine_lease_set(engine, i, 0, &leases), 0);
    }
    crowd_idle_remove(&engine->crowd, 1);
    engine->crowd.clients[1].phase = PHASE_DONE;
    engine_start(engine);
    return engine;
}

static void fault_run(const struct fault *fault)
{
    struct settings settings = {.client_count = 2,
                                .relays = {{0x20010db8000000ff, 1}, {0x20010db8000000ff, 2}},
                                .relay_count = 2,
                                .server_count = 1,
                                .na = true,
                                .pd = true,
                                .weights = {[OP_NEW] = 0},
                                .window = 1,
                                .once = true,
                                .renew_tries = 9,
                                .backoff_scale = 1,
                                .valid_min_s = 60,
                                .valid_max_s = FAKE_VALID_S};
    struct fake *fake = fake_new(&settings);
    struct plan plan = {fault, 0};
    const struct verdict_row *row = &verdict_rows[fault->verdict];
    struct engine *engine;
    int failures = check_failures;

    settings.weights[fault->op] = 1;
    fake->spoil = spoil_planned;
    fake->spoil_ctx = &plan;
    engine = engine_prepare(fake, &settings, fault->op);
    fake_run(fake, engine, 3000);
    CHECK_EQ(tally_wrong(&engine->tally), row->wrong);
    CHECK(engine->tally.verdicts[fault->verdict] >= 1);
    if (fault->verdict != VERDICT_good) {
        CHECK_EQ(engine->tally.verdicts[fault->verdict], 1);
    }
    CHECK_EQ(engine->tally.started, 1);
    CHECK_EQ(engine->tally.finished, fault->served);
    CHECK_EQ(engine->tally.unfinished + engine->tally.timeouts, 0);
    CHECK_EQ(engine->tally.refused, fault->verdict == VERDICT_refused);
    CHECK_EQ(fake->unreadable, 0);
    if (check_failures != failures) {
        printf("with fault \"%s\"\n", fault->name);
    }
    engine_done(engine);
    free(engine);
    fake_free(fake);
}

static void each_fault_is_told(void)
{
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        fault_run(&faults[i]);
    }
}

static void each_verdict_has_a_fault(void)
{
    for (unsigned verdict = 0; verdict < VERDICT_COUNT; verdict++) {
        bool found = verdict == VERDICT_repeated; /* test_engine.c: by two servers */

        for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
            found = found || faults[i].verdict == verdict;
        }
        if (!found) {
            printf("no fault for %s\n", verdict_rows[verdict].name);
        }
        CHECK(found);
    }
}

/* Whatever arrives is judged, not obeyed: right answers with random octets changed. */
static void garbage_is_survived(void)
{
    struct settings settings = {.client_count = 1, .na = true, .pd = true, .relay_count = 1};
    struct client client = {.kind = MESSAGE_SOLICIT, .phase = PHASE_ASKING};
    uint8_t bytes[MESSAGE_SIZE_MAX];
    uint64_t random = 1;
    unsigned parsed = 0;

    for (unsigned round = 0; round < 200000; round++) {
        size_t size = message_write(&settings, &client, 0, (struct span){NULL, 0}, 0, bytes);
        struct answer answer;

        bytes[0] = DHCP6_RELAY_REPL;
        for (unsigned i = 0; i < round % 8; i++) {
            random = random * 6364136223846793005ULL + 1442695040888963407ULL;
            bytes[(random >> 33) % size] = (uint8_t)(random >> 56);
        }
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        size -= round % 5 == 0 ? (random >> 33) % size : 0;
        if (answer_parse((struct span){bytes, size}, &answer) == 0) {
            enum verdict verdict;
            uint32_t number;
            struct leases leases;

            parsed++;
            if (check_owner(&settings, &answer, &number, &verdict)) {
                const struct check_context context = {&settings, &client, number, {NULL, 0}, 0};

                (void)check_answer(&context, &answer, &leases);
            }
        }
    }
    CHECK(parsed > 1000);
}

static const struct check_test tests[] = {
    {"each_fault_is_told", each_fault_is_told},
    {"each_verdict_has_a_fault", each_verdict_has_a_fault},
    {"garbage_is_survived", garbage_is_survived},
};

CHECK_MAIN(tests)
