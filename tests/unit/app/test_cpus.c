/* Which CPUs the threads get: the table of interrupts, and what the configuration says. */
#include "check.h"
#include "cpus.h"

static void test_interrupts_of_devices_are_added_up(void)
{
    char text[] = "           CPU0       CPU2       \n"
                  "  1:          5          0  IO-APIC   1-edge      i8042\n"
                  " 36:          0   11082187  PCI-MSIX-0000:00:02.0   1-edge      virtio1-req.0\n"
                  "LOC:       9000       9000   Local timer interrupts\n"
                  "137:          7\n"
                  "ERR:          1\n";
    uint64_t counts[CPUS_MAX] = {0};

    CHECK(cpus_interrupts_parse(text, counts));
    CHECK(counts[0] == 12);
    CHECK(counts[1] == 0);
    CHECK(counts[2] == 11082187);
}

static void test_other_text_is_no_table(void)
{
    char word[] = "hello\n 1: 2\n", empty[] = "", big[] = " CPU0 CPU99999\n 1: 2 3\n";
    uint64_t counts[CPUS_MAX] = {0};

    CHECK(!cpus_interrupts_parse(word, counts));
    CHECK(!cpus_interrupts_parse(empty, counts));
    CHECK(!cpus_interrupts_parse(big, counts));
    CHECK(counts[0] == 0);
}

static void test_the_configuration_counts(void)
{
    struct config config = {.workers = 2, .cpu_count = 3, .cpus = {5, 7, 6}};
    int cpus[CONFIG_WORKERS_MAX + 1];

    cpus_choose(&config, cpus);
    CHECK(cpus[0] == 5 && cpus[1] == 7 && cpus[2] == 6);
}

static void test_every_thread_gets_a_cpu(void)
{
    struct config config = {.workers = CONFIG_WORKERS_MAX};
    int cpus[CONFIG_WORKERS_MAX + 1];

    memset(cpus, 0xff, sizeof(cpus));
    cpus_choose(&config, cpus);
    for (unsigned i = 0; i <= CONFIG_WORKERS_MAX; i++) {
        CHECK(cpus[i] >= 0 && cpus[i] < CPUS_MAX);
    }
}

static const struct check_test tests[] = {
    {"interrupts_of_devices_are_added_up", test_interrupts_of_devices_are_added_up},
    {"other_text_is_no_table", test_other_text_is_no_table},
    {"the_configuration_counts", test_the_configuration_counts},
    {"every_thread_gets_a_cpu", test_every_thread_gets_a_cpu},
};
CHECK_MAIN(tests)
