#include "cpus.h"

#include <ctype.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cpu {
    int number;
    uint64_t interrupts;
};

bool cpus_interrupts_parse(char *text, uint64_t ret_counts[CPUS_MAX])
{
    char *lines, *line = strtok_r(text, "\n", &lines), *words, *word;
    unsigned columns[CPUS_MAX], column_count = 0;

    for (word = line ? strtok_r(line, " ", &words) : NULL; word && column_count < CPUS_MAX;
         word = strtok_r(NULL, " ", &words)) {
        unsigned long cpu = strncmp(word, "CPU", 3) == 0 ? strtoul(word + 3, NULL, 10) : CPUS_MAX;

        if (cpu >= CPUS_MAX) {
            return false;
        }
        columns[column_count++] = (unsigned)cpu;
    }
    while ((line = strtok_r(NULL, "\n", &lines)) != NULL) {
        char *end = line + strspn(line, " ");

        if (!isdigit((unsigned char)*end) || *(end += strspn(end, "0123456789")) != ':') {
            continue; /* timers, calls between CPUs: not the devices' */
        }
        end++;
        for (unsigned i = 0; i < column_count; i++) {
            ret_counts[columns[i]] += strtoull(end, &end, 10);
        }
    }
    return column_count != 0;
}

static void interrupts_read(uint64_t ret_counts[CPUS_MAX])
{
    FILE *file = fopen("/proc/interrupts", "re");
    char *text = NULL;
    size_t size = 0;

    if (!file) {
        return;
    }
    if (getdelim(&text, &size, 0, file) > 0) {
        (void)cpus_interrupts_parse(text, ret_counts);
    }
    free(text);
    (void)fclose(file);
}

static int busiest_first(const void *a, const void *b)
{
    const struct cpu *x = a, *y = b;

    if (x->interrupts != y->interrupts) {
        return x->interrupts > y->interrupts ? -1 : 1;
    }
    return x->number - y->number;
}

/* The CPUs we may use, busiest first. */
static unsigned cpus_list(struct cpu ret_list[CPUS_MAX])
{
    uint64_t counts[CPUS_MAX] = {0};
    unsigned count = 0;
    cpu_set_t set;

    interrupts_read(counts);
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        for (unsigned cpu = 0; cpu < CPU_SETSIZE && count < CPUS_MAX; cpu++) {
            if (CPU_ISSET(cpu, &set)) {
                ret_list[count++] = (struct cpu){(int)cpu, counts[cpu]};
            }
        }
    }
    if (count == 0) {
        ret_list[count++] = (struct cpu){0, 0};
    }
    qsort(ret_list, count, sizeof(*ret_list), busiest_first);
    return count;
}

void cpus_choose(const struct config *config, int ret_cpus[CONFIG_WORKERS_MAX + 1])
{
    struct cpu list[CPUS_MAX];
    unsigned count;

    if (config->cpu_count) {
        for (unsigned i = 0; i <= config->workers; i++) {
            ret_cpus[i] = (int)config->cpus[i];
        }
        return;
    }
    count = cpus_list(list);
    ret_cpus[0] = list[0].number;
    for (unsigned i = 0; i < config->workers; i++) { /* from the quietest up, then around */
        ret_cpus[i + 1] = list[count - 1 - i % count].number;
    }
}
