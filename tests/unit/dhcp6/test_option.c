/* The option table, and the Client FQDN option's answer. */
#include "build.h"
#include "check.h"
#include "dhcp6/fqdn.h"

static void test_fqdn(void)
{
    static const struct {
        const char *option;
        size_t size;
        bool ok;
        uint8_t flags;
    } rows[] = {
        {"", 0, false, 0},            /* absent */
        {"\0\4host", 6, true, 0},     /* partial */
        {"\0\4host\0", 7, true, 0},   /* whole */
        {"\1\4host\0", 7, true, 2},   /* S: overridden */
        {"\4\4host\0", 7, true, 4},   /* N: honoured */
        {"\5\4host\0", 7, true, 4},   /* N and S may not be: N counts */
        {"\xfa\4host\0", 7, true, 0}, /* reserved bits and O do not come back */
        {"\1", 1, true, 2},           /* the server may choose; we echo nothing */
        {"\0\4hos", 5, false, 0},     /* label overruns */
        {"\0\4host\0x", 8, false, 0}, /* after the end */
        {"\0\xc0\0", 3, false, 0},    /* compressed */
        {"\0\0", 2, true, 0},         /* the root */
    };

    uint8_t longest[1 + 256] = {0};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct span option = {(const uint8_t *)rows[i].option, rows[i].size}, name = {NULL, 0};
        uint8_t flags = 0xee;

        CHECK_EQ(dhcp6_fqdn_answer(option, &flags, &name), rows[i].ok);
        if (rows[i].ok) {
            CHECK_EQ(flags, rows[i].flags);
            CHECK_EQ(name.size, rows[i].size - 1);
            CHECK(name.data == option.data + 1);
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        longest[1 + 64 * i] = 63;
    }
    for (size_t size = 255; size <= 256; size++) {
        struct span name;
        uint8_t flags;

        longest[1 + 192] = (uint8_t)(size - 193); /* last label up to the end */
        CHECK_EQ(dhcp6_fqdn_answer((struct span){longest, 1 + size}, &flags, &name), size == 255);
    }
}

static void test_option_table(void)
{
    unsigned rows = 0;

    for (unsigned code = 0; code <= UINT16_MAX; code++) {
        const struct dhcp6_option_row *row = dhcp6_option_row((uint16_t)code);

        if (row != NULL) {
            CHECK(code < OPTION_CODES_MAX && row->format < FORMAT_COUNT && row->name[0] != '\0');
            CHECK(!row->relay_may_supply || row->requestable);
            rows++;
        }
    }
    CHECK(rows >= 40);
    CHECK_STR(dhcp6_option_row(25)->name, "IA_PD");
    CHECK(dhcp6_option_row(0) == NULL && dhcp6_option_row(10) == NULL);
}

static void test_option_requestable(void)
{
    /* RFC 9915 21.7 keeps these out of an ORO. */
    static const uint16_t forbidden[] = {1, 2,  3,  4,  25, 5,  26, 6,  8,  7,
                                         9, 11, 12, 13, 14, 15, 16, 18, 19, 20};
    static const uint16_t allowed[] = {17, 23, 24, 31, 32, 39, 56, 64, 67, 82, 83, 94, 103, 144};

    for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
        CHECK(!dhcp6_option_row(forbidden[i])->requestable);
    }
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        CHECK(dhcp6_option_row(allowed[i])->requestable);
    }
}

static const struct check_test tests[] = {
    {"fqdn", test_fqdn},
    {"option table", test_option_table},
    {"option requestable", test_option_requestable},
};

CHECK_MAIN(tests)
