/* trace: one client's packets and what becomes of them, as they come. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "params.h"
#include "table.h"

enum {
    POLL_MS = 500,
    STEPS_A_CALL = 200,
    PCAP_SNAP = 65535,
    PCAP_ETHERNET = 1, /* LINKTYPE_ETHERNET */
    FRAME_MAX = 4096,
};

/* Headers of a capture file (the classic format, microseconds, this machine's byte order). */
struct pcap_head {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, accuracy, snap, link_type;
};

struct pcap_record {
    uint32_t unix_s, us, kept, size;
};

/* Octets of hex digits; 0: none, or malformed. */
static size_t hex_read(const char *text, uint8_t *buf, size_t buf_size)
{
    size_t size = 0;
    unsigned octet;

    for (; text && *text && size < buf_size; text += 2) {
        if (sscanf(text, "%2x", &octet) != 1 || text[1] == '\0') {
            return 0;
        }
        buf[size++] = (uint8_t)octet;
    }
    return size;
}

static bool pcap_begin(FILE *pcap)
{
    struct pcap_head head = {0xa1b2c3d4, 2, 4, 0, 0, PCAP_SNAP, PCAP_ETHERNET};

    return fwrite(&head, sizeof(head), 1, pcap) == 1;
}

/* Each packet once: not again when another worker of the server takes it. */
static void pcap_write(FILE *pcap, const json_t *step)
{
    const char *at = json_string_value(json_object_get(step, "at")), *rest;
    uint8_t frame[FRAME_MAX];
    size_t size = hex_read(json_string_value(json_object_get(step, "octets")), frame, FRAME_MAX);
    struct pcap_record record;
    struct tm tm = {0};

    rest = at ? strptime(at, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    if (size == 0 || rest == NULL || json_is_true(json_object_get(step, "handed_over"))) {
        return;
    }
    record = (struct pcap_record){(uint32_t)timegm(&tm), 0, (uint32_t)size, 0};
    record.us = *rest == '.' ? (uint32_t)strtoul(rest + 1, NULL, 10) : 0;
    record.size = (uint32_t)json_integer_value(json_object_get(step, "size"));
    (void)fwrite(&record, sizeof(record), 1, pcap);
    (void)fwrite(frame, size, 1, pcap);
}

static void ias_print(const json_t *step)
{
    size_t i, k;
    json_t *ia, *lease, *change;

    json_array_foreach(json_object_get(step, "ias"), i, ia)
    {
        (void)printf("    %s %s", session_text(ia, "type"), session_text(ia, "iaid"));
        if (!json_is_null(json_object_get(ia, "status"))) {
            (void)printf(" %s", session_text(ia, "status"));
        }
        json_array_foreach(json_object_get(ia, "leases"), k, lease)
        {
            (void)printf(
                " %s for %s s",
                session_text(lease, json_object_get(lease, "prefix") ? "prefix" : "address"),
                session_text(lease, "valid_s"));
        }
        (void)putchar('\n');
    }
    json_array_foreach(json_object_get(step, "changes"), i, change)
    {
        (void)printf("%s %s", i ? "," : "    recorded:", json_string_value(change));
    }
    if (json_array_size(json_object_get(step, "changes"))) {
        (void)putchar('\n');
    }
}

static void step_print(const json_t *step)
{
    const char *what = session_text(step, "what");

    (void)printf("%s  worker %s  %s %s %s", session_text(step, "at"), session_text(step, "worker"),
                 what, session_text(step, "message"), session_text(step, "xid"));
    if (strcmp(what, "received") == 0) {
        (void)printf(" from %s%s\n", session_text(step, "src"),
                     json_is_true(json_object_get(step, "handed_over")) ? ", by another worker"
                                                                        : "");
    } else if (strcmp(what, "sent") == 0) {
        (void)printf(" to %s\n", session_text(step, "dst"));
    } else if (strcmp(what, "handed over") == 0) {
        (void)printf(" to worker %s\n", session_text(step, "to_worker"));
    } else if (strcmp(what, "dropped") == 0) {
        (void)printf("\n    %s: %s\n", session_text(step, "reason"), session_text(step, "help"));
    } else {
        (void)printf(
            ": %s on link %s%s%s\n", session_text(step, "answer"), session_text(step, "link"),
            json_is_true(json_object_get(step, "reserved")) ? ", reserved" : "",
            json_is_true(json_object_get(step, "waits_for_disk")) ? ", once on the disk" : "");
        ias_print(step);
    }
}

/* Prints the steps behind *after; EXIT_OK with the trace's state. */
static int steps_take(struct session *session, json_int_t id, json_int_t *after, FILE *pcap,
                      json_t **ret_got)
{
    json_t *got, *step;
    size_t index;
    int code = session_call(session, "trace.get",
                            json_pack("{s:I, s:I, s:i, s:b}", "trace", id, "after", *after, "limit",
                                      STEPS_A_CALL, "octets", pcap != NULL || session->json),
                            &got);

    if (code != EXIT_OK) {
        return code;
    }
    json_array_foreach(json_object_get(got, "steps"), index, step)
    {
        if (pcap) {
            pcap_write(pcap, step);
        }
        if (session->json) {
            (void)json_dumpf(step, stdout, JSON_COMPACT);
            (void)putchar('\n');
        } else {
            step_print(step);
        }
    }
    (void)fflush(stdout);
    *after = json_integer_value(json_object_get(got, "last"));
    *ret_got = got;
    return EXIT_OK;
}

/* Until the trace has ended and all its steps are there; a signal stops it. */
static int trace_follow(struct session *session, json_int_t id, FILE *pcap)
{
    struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    json_int_t after = 0;
    sigset_t ends;

    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
    for (;;) {
        json_t *got, *stopped;
        int code = steps_take(session, id, &after, pcap, &got);
        bool more, running;

        if (code != EXIT_OK) {
            return code;
        }
        more = json_is_true(json_object_get(got, "more"));
        running = strcmp(session_text(got, "state"), "running") == 0;
        if (!more && !running) {
            (void)fprintf(stderr, "trace %s: %s packets, %s; %s steps lost\n",
                          session_text(got, "trace"), session_text(got, "packets"),
                          session_text(got, "state"), session_text(got, "dropped"));
        }
        json_decref(got);
        if (!more && !running) {
            return EXIT_OK;
        }
        if (!more && sigtimedwait(&ends, NULL, &pause) >= 0) {
            code = session_call(session, "trace.stop", json_pack("{s:I}", "trace", id), &stopped);
            if (code != EXIT_OK) {
                return code;
            }
            json_decref(stopped);
        }
    }
}

/* DUID, ADDRESS or PREFIX, then key=value. NULL after telling what is wrong. */
static json_t *trace_params(struct session *session)
{
    const char *what = session->argv[0];
    const char *name =
        strchr(what, '/') ? "prefix"
        : strstr(what, "::") || (strchr(what, ':') && strlen(what) > 2 && what[2] != ':')
            ? "address"
            : "duid";
    char error[PARAMS_ERROR_MAX];
    json_t *params = params_parse(session->argc - 1, session->argv + 1, error);

    if (params == NULL) {
        (void)fprintf(stderr,
                      "tandem6ctl: %s\n  \"tandem6ctl trace.start --help\" shows the "
                      "parameters\n",
                      error);
        return NULL;
    }
    (void)json_object_set_new(params, name, json_string(what));
    return params;
}

int command_trace(struct session *session)
{
    json_t *params = trace_params(session), *started;
    FILE *pcap = NULL;
    int code = EXIT_OK;

    if (params == NULL) {
        return EXIT_USAGE;
    }
    if (session->pcap) {
        pcap = fopen(session->pcap, "we");
        if (pcap == NULL || !pcap_begin(pcap)) {
            (void)fprintf(stderr, "tandem6ctl: %s cannot be written\n  name another file\n",
                          session->pcap);
            json_decref(params);
            if (pcap) {
                (void)fclose(pcap);
            }
            return EXIT_USAGE;
        }
    }
    code = session_call(session, "trace.start", params, &started);
    if (code == EXIT_OK) {
        if (!session->json) {
            (void)printf("tracing client %s until %s; Ctrl-C ends\n", session_text(started, "duid"),
                         session_text(started, "ends"));
            (void)fflush(stdout);
        }
        code = trace_follow(session, json_integer_value(json_object_get(started, "trace")), pcap);
        json_decref(started);
    }
    if (pcap && fclose(pcap) && code == EXIT_OK) {
        (void)fprintf(stderr, "tandem6ctl: %s: not all could be written\n  make room\n",
                      session->pcap);
        code = EXIT_SERVER;
    }
    return code;
}
