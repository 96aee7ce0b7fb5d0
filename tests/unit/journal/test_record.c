/* The record codec, the batch codec and the checksum. */
#include <stdlib.h>

#include "base/crc32c.h"
#include "check.h"
#include "journal/batch.h"
#include "journal/record.h"

static uint64_t random_state = 1;

static uint64_t random_u64(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state ^ random_state >> 29;
}

/* Zero, small or anything: each a third. */
static uint32_t random_time(void)
{
    uint64_t v = random_u64();
    return v % 3 == 0 ? 0 : v % 3 == 1 ? (uint32_t)(v >> 56) : (uint32_t)(v >> 32);
}

static struct lease random_lease(uint8_t *duid, uint8_t *info)
{
    struct wire_out out = wire_out_to(info, LEASE_INFO_SIZE_MAX);
    struct lease lease = {
        .resource = {.prefix = {random_u64(), random_u64() % 2 ? random_u64() : 0}},
        .iaid = (uint32_t)random_u64(),
        .version = random_u64(),
        .status = (uint8_t)(1 + random_u64() % (BINDING_STATUS_COUNT - 1)),
        .flags = (uint8_t)random_u64(),
        .times = {random_time(), random_time(), random_time(), random_time(), random_time(),
                  random_time(), random_time(), random_time(), random_time(), random_time(),
                  random_time(), random_time()},
    };

    lease.resource.type = random_u64() % 2 ? LEASE_TYPE_NA : LEASE_TYPE_PD;
    lease.resource.length =
        lease.resource.type == LEASE_TYPE_NA ? 128 : (uint8_t)(random_u64() % 129);
    if (random_u64() % 2) {
        lease.times.horizon_s = lease.times.expires_s;
    }
    size_t duid_size = random_u64() % 4 ? 3 + random_u64() % (DUID_SIZE_MAX - 2) : 0;
    for (size_t i = 0; i < duid_size; i++) {
        duid[i] = (uint8_t)random_u64();
    }
    lease.duid = (struct span){duid, duid_size};
    for (unsigned tag = 1; tag < LEASE_INFO_TAG_COUNT; tag++) {
        if (random_u64() % 3 == 0) {
            uint8_t data[16] = {(uint8_t)tag};
            (void)lease_info_add(&out, (enum lease_info_tag)tag, (struct span){data, 16});
        }
    }
    lease.info = (struct span){info, (size_t)(out.at - info)};
    return lease;
}

static bool lease_same(const struct lease *a, const struct lease *b, bool full)
{
    return resource_equal(&a->resource, &b->resource) && a->iaid == b->iaid &&
           a->version == b->version && a->status == b->status && a->flags == b->flags &&
           memcmp(&a->times, &b->times, sizeof(a->times)) == 0 &&
           (!full || (span_equal(a->duid, b->duid) && span_equal(a->info, b->info)));
}

static void test_lease_round_trip(void)
{
    uint8_t duid[DUID_SIZE_MAX], info[LEASE_INFO_SIZE_MAX], buf[CHANGE_RECORD_MAX];

    for (unsigned i = 0; i < 20000; i++) {
        struct lease lease = random_lease(duid, info);
        bool full = i % 2;
        size_t size = record_lease_encode(&lease, lease.version, full, buf);
        struct record record;

        CHECK(size <= CHANGE_RECORD_MAX);
        CHECK(full || size <= 82);
        CHECK_EQ(record_parse((struct span){buf, size}, &record), 0);
        CHECK_EQ(record.kind, full ? RECORD_LEASE_FULL : RECORD_LEASE_TIMES);
        CHECK(lease_same(&lease, &record.lease, full));
        CHECK(full || (record.lease.duid.size == 0 && record.lease.info.size == 0));
    }
}

/* Every shorter record is refused, and so is one octet more. */
static void test_every_truncation(void)
{
    uint8_t duid[DUID_SIZE_MAX], info[LEASE_INFO_SIZE_MAX], buf[CHANGE_RECORD_MAX + 1];
    struct record record;

    for (unsigned i = 0; i < 200; i++) {
        struct lease lease = random_lease(duid, info);
        size_t size = record_lease_encode(&lease, lease.version, i % 2, buf);

        for (size_t cut = 0; cut < size; cut++) {
            uint8_t *exact = malloc(cut ? cut : 1); /* so that the sanitizer sees an overrun */
            memcpy(exact, buf, cut);
            CHECK_EQ(record_parse((struct span){exact, cut}, &record), -EBADMSG);
            free(exact);
        }
        buf[size] = 0;
        CHECK_EQ(record_parse((struct span){buf, size + 1}, &record), -EBADMSG);
    }
}

static void test_forget_and_meta(void)
{
    struct resource resource = {{0x20010db800000000, 0x100}, 120, LEASE_TYPE_PD};
    uint8_t buf[CHANGE_RECORD_MAX], value[META_VALUE_MAX];
    struct record record;
    size_t size = record_forget_encode(&resource, 77, buf);

    CHECK_EQ(record_parse((struct span){buf, size}, &record), 0);
    CHECK_EQ(record.kind, RECORD_LEASE_FORGET);
    CHECK(resource_equal(&resource, &record.lease.resource));
    CHECK_EQ(record.lease.version, 77);
    for (size_t cut = 0; cut < size; cut++) {
        CHECK_EQ(record_parse((struct span){buf, cut}, &record), -EBADMSG);
    }
    for (size_t i = 0; i <= META_VALUE_MAX; i++) {
        memset(value, (int)i, sizeof(value));
        size = record_meta_encode(META_ENDPOINT + 3, (struct span){value, i}, buf);
        CHECK_EQ(record_parse((struct span){buf, size}, &record), 0);
        CHECK(record.kind == RECORD_META && record.meta_key == META_ENDPOINT + 3);
        CHECK(span_equal(record.meta, (struct span){value, i}));
    }
}

static void test_bad_records(void)
{
    static const struct {
        const char *what;
        uint8_t bytes[48];
        size_t size;
    } bad[] = {
        {"empty", {0}, 0},
        {"kind 0", {0}, 40},
        {"kind 5", {5}, 40},
        {"status 0", {2, 0, 0, 0xc0}, 24},
        {"status 9", {0x92, 0, 0, 0xc0}, 24},
        {"status on a forget", {0x13, 0, 0xc0}, 19},
        {"times on a forget", {3, 1, 0xc0}, 19},
        {"prefix length 129", {0x12, 0, 0, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 129}, 25},
        {"address of length 64", {0x12, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 64}, 25},
        {"horizon twice", {0x12, 0, 0x80, 0xd0}, 28},
        {"duid of two octets",
         {0x11, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2},
         29},
        {"unknown info",
         {0x11, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0, 0,
          0,    0, 0, 0,    0, 0, 0, 0, 0, 0, 2, 0, 99, 0},
         29},
    };

    static const uint8_t good[24] = {0x12, 0, 0, 0xc0};
    struct record record;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct span bytes = {bad[i].bytes, bad[i].size};
        if (record_parse(bytes, &record) != -EBADMSG) {
            printf("accepted: %s\n", bad[i].what);
            check_failures++;
        }
    }
    CHECK_EQ(record_parse((struct span){good, sizeof(good)}, &record), 0);
}

/* A renewal of a server without a partner: what the log is full of. */
static void test_renewal_is_compact(void)
{
    struct lease lease = {
        .resource = {{0x20010db800170000, 0x1234}, 128, LEASE_TYPE_NA},
        .status = BINDING_ACTIVE,
        .times = {.start_s = 1,
                  .expires_s = 2,
                  .clt_s = 3,
                  .horizon_s = 2,
                  .preferred_lifetime_s = 4,
                  .valid_lifetime_s = 5,
                  .t1_s = 6,
                  .t2_s = 7},
    };
    uint8_t buf[CHANGE_RECORD_MAX];

    CHECK_EQ(record_lease_encode(&lease, 1, false, buf), 60);
    lease.resource = (struct resource){{0x20010db800170000, 0}, 56, LEASE_TYPE_PD};
    CHECK_EQ(record_lease_encode(&lease, 1, false, buf), 53);
}

static void test_crc32c(void)
{
    uint8_t zeros[32] = {0}, ones[32], up[32], buf[4099];

    memset(ones, 0xff, sizeof(ones));
    for (unsigned i = 0; i < 32; i++) {
        up[i] = (uint8_t)i;
    }
    /* RFC 3720 B.4 */
    CHECK_EQ(crc32c(zeros, 32), 0x8a9136aa);
    CHECK_EQ(crc32c(ones, 32), 0x62a8ab43);
    CHECK_EQ(crc32c(up, 32), 0x46dd794e);
    CHECK_EQ(crc32c((const uint8_t *)"123456789", 9), 0xe3069283);
    for (size_t i = 0; i < sizeof(buf); i++) {
        buf[i] = (uint8_t)random_u64();
    }
    for (size_t size = 0; size < sizeof(buf); size += 1 + size / 7) {
        CHECK_EQ(crc32c(buf, size), crc32c_table_update(0, buf, size));
        CHECK_EQ(crc32c_update(crc32c(buf, size / 3), buf + size / 3, size - size / 3),
                 crc32c(buf, size));
    }
}

/* Records of every size fill batches of several blocks; all come back, none crosses a block. */
static void test_batch_round_trip(void)
{
    static uint8_t bytes[8 * DISK_BLOCK] __attribute__((aligned(DISK_BLOCK)));

    for (size_t first = 1; first <= CHANGE_RECORD_MAX; first += 3) {
        struct batch batch = {.bytes = bytes, .size_max = sizeof(bytes)};
        uint8_t record[CHANGE_RECORD_MAX];
        size_t size = first, count = 0;
        struct batch_header header;
        struct span got;

        batch_begin(&batch, 9);
        memset(record, 0x5a, sizeof(record));
        while (batch_add(&batch, (struct span){record, size})) {
            size = size % CHANGE_RECORD_MAX + 1;
            count++;
        }
        batch_seal(&batch, 3, 0x1234);
        CHECK(batch_header_parse(bytes, &header));
        CHECK(batch_crc_valid(bytes, &header));
        CHECK(header.epoch == 3 && header.sequence == 9 && header.previous_crc == 0x1234);
        CHECK_EQ(header.record_count, count);
        CHECK_EQ(header.size, sizeof(bytes));
        struct batch_reader reader = batch_reader_from(bytes, &header);
        for (size = first; batch_reader_next(&reader, &got); size = size % CHANGE_RECORD_MAX + 1) {
            CHECK_EQ(got.size, size);
            CHECK(got.data[0] == 0x5a && got.data[size - 1] == 0x5a);
            CHECK((size_t)(got.data - bytes) / DISK_BLOCK ==
                  (size_t)(got.data + size - 1 - bytes) / DISK_BLOCK);
            count--;
        }
        CHECK(!reader.failed && count == 0);
    }
}

static void test_batch_bit_flips(void)
{
    static uint8_t bytes[2 * DISK_BLOCK] __attribute__((aligned(DISK_BLOCK)));
    struct batch batch = {.bytes = bytes, .size_max = sizeof(bytes)};
    struct batch_header header, good;
    uint8_t record[100] = {1};

    batch_begin(&batch, 1);
    for (unsigned i = 0; i < 50; i++) {
        CHECK(batch_add(&batch, (struct span){record, sizeof(record)}));
    }
    good = batch_seal(&batch, 1, 0);
    CHECK_EQ(good.size, sizeof(bytes));
    for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK(!batch_header_parse(bytes, &header) || header.size > sizeof(bytes) ||
              !batch_crc_valid(bytes, &header));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    CHECK(batch_header_parse(bytes, &header) && batch_crc_valid(bytes, &header));
}

static const struct check_test tests[] = {
    {"lease_round_trip", test_lease_round_trip},     {"every_truncation", test_every_truncation},
    {"forget_and_meta", test_forget_and_meta},       {"bad_records", test_bad_records},
    {"renewal_is_compact", test_renewal_is_compact}, {"crc32c", test_crc32c},
    {"batch_round_trip", test_batch_round_trip},     {"batch_bit_flips", test_batch_bit_flips},
};

CHECK_MAIN(tests)
