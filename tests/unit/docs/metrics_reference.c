/* Prints docs/metrics.md, the reference of all metrics, from the table that makes them. Called by
 * scripts/docs. */
#include <stdio.h>

#include "server/metrics.h"

int main(void)
{
    const struct metric_info *info;

    printf(
        "# Metrics\n"
        "\n"
        "`GET /metrics` at `management.listen`, for Prometheus. The caller needs the role `view`.\n"
        "Counters count since the server started. A pool's counts come from a walk over all\n"
        "leases that takes turns with other work; NaN until the first one is complete. This page\n"
        "is generated from the table of metrics.\n"
        "\n"
        "| metric | type | labels | meaning |\n"
        "|---|---|---|---|\n");
    for (unsigned i = 0; (info = metrics_info(i)); i++) {
        printf("| `%s` | %s |", info->name, metric_type_name(info->type));
        for (unsigned label = 0; info->labels[label]; label++) {
            printf("%s `%s`", label ? "," : "", info->labels[label]);
        }
        printf(" | %s. |\n", info->help);
    }
    return 0;
}
