/* The log as text, for operators: every block that begins a batch is named with its place in the
 * chain, so that one sees what a repair would cut. Reads through struct disk, writes to a stream
 * that the caller owns. */
#include <arpa/inet.h>
#include <inttypes.h>

#include "journal/internal.h"

struct dump {
    FILE *out;
    struct file_reader reader;
    struct log_position at; /* the chain so far; sequence 0: nothing seen */
};

static void dump_hex(FILE *out, struct span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        (void)fprintf(out, "%02x", bytes.data[i]);
    }
}

static void dump_ip6(FILE *out, struct ip6 a)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t bytes[16];

    wire_set_ip6(bytes, a);
    (void)fprintf(out, "%s", inet_ntop(AF_INET6, bytes, text, sizeof(text)));
}

static void dump_lease(FILE *out, const struct record *record)
{
    const struct lease *lease = &record->lease;
    const char *kind = record->kind == RECORD_LEASE_FULL    ? "lease"
                       : record->kind == RECORD_LEASE_TIMES ? "times"
                                                            : "forget";

    (void)fprintf(out, "%s %s ", kind, lease->resource.type == LEASE_TYPE_PD ? "pd" : "na");
    dump_ip6(out, lease->resource.prefix);
    (void)fprintf(out, "/%u version %" PRIu64, lease->resource.length, lease->version);
    if (record->kind != RECORD_LEASE_FORGET) {
        (void)fprintf(out,
                      " %s iaid %08" PRIx32 " flags %u start %" PRIu32 " expires %" PRIu32
                      " clt %" PRIu32,
                      binding_status_name(lease->status), lease->iaid, lease->flags,
                      lease->times.start_s, lease->times.expires_s, lease->times.clt_s);
    }
    if (record->kind == RECORD_LEASE_FULL) {
        (void)fprintf(out, " duid ");
        dump_hex(out, lease->duid);
        (void)fprintf(out, " info ");
        dump_hex(out, lease->info);
    }
}

static void dump_record(FILE *out, struct span bytes)
{
    struct record record;

    (void)fprintf(out, "    ");
    if (record_parse(bytes, &record) != 0) {
        (void)fprintf(out, "unreadable record ");
        dump_hex(out, bytes);
    } else if (record.kind == RECORD_META) {
        (void)fprintf(out, "meta 0x%" PRIx32 " value ", record.meta_key);
        dump_hex(out, record.meta);
    } else {
        dump_lease(out, &record);
    }
    (void)fputc('\n', out);
}

/* How a batch stands to the one before it. */
static const char *dump_standing(const struct log_position *at, const struct batch_header *header)
{
    if (at->sequence == 0) {
        return "first";
    }
    if (header->sequence == at->sequence && header->previous_crc == at->previous_crc &&
        header->epoch >= at->epoch) {
        return "linked";
    }
    if (header->sequence < at->sequence || header->epoch < at->epoch) {
        return "stale (recycled or cut off)";
    }
    return "BEHIND A BREAK";
}

static void dump_batch(struct dump *dump, uint64_t offset, const struct batch_header *header,
                       const uint8_t *bytes)
{
    const char *standing = dump_standing(&dump->at, header);
    bool stale = standing[0] == 's';
    struct batch_reader reader = batch_reader_from(bytes, header);
    struct span record;

    (void)fprintf(dump->out,
                  "%s 0x%" PRIx64 " batch %" PRIu64 " epoch %" PRIu64 " size %" PRIu32
                  " records %" PRIu32 " crc %08" PRIx32 " %s\n",
                  dump->reader.name, offset, header->sequence, header->epoch, header->size,
                  header->record_count, header->crc, standing);
    if (stale) {
        return;
    }
    while (batch_reader_next(&reader, &record)) {
        dump_record(dump->out, record);
    }
    if (reader.failed) {
        (void)fprintf(dump->out, "    malformed from octet %" PRIu32 " of the batch on\n",
                      reader.at);
    }
    dump->at = (struct log_position){
        .epoch = header->epoch, .sequence = header->sequence + 1, .previous_crc = header->crc};
}

/* One segment, block by block; whole batches are stepped over. */
static int dump_segment(struct dump *dump)
{
    uint64_t offset = 0;

    for (;;) {
        struct batch_header header;
        const uint8_t *bytes;
        int got = file_reader_get(&dump->reader, offset, DISK_BLOCK, &bytes);

        if (got <= 0) {
            return got;
        }
        if (!batch_header_parse(bytes, &header)) {
            offset += DISK_BLOCK;
            continue;
        }
        got = file_reader_batch(&dump->reader, offset, &header, &bytes);
        if (got < 0) {
            return got;
        }
        if (got == 1) {
            dump_batch(dump, offset, &header, bytes);
            offset += header.size;
        } else {
            (void)fprintf(dump->out,
                          "%s 0x%" PRIx64 " batch %" PRIu64 " epoch %" PRIu64 " size %" PRIu32
                          " BROKEN OR TORN\n",
                          dump->reader.name, offset, header.sequence, header.epoch, header.size);
            offset += DISK_BLOCK;
        }
    }
}

static void dump_mark(struct dump *dump, uint64_t offset, enum checkpoint_mark_kind kind,
                      const uint8_t *block)
{
    struct checkpoint_mark mark;
    const char *name = kind == CHECKPOINT_HEADER ? "header" : "trailer";

    if (!checkpoint_mark_parse(block, kind, &mark)) {
        (void)fprintf(dump->out, "%s 0x%" PRIx64 " checkpoint %s BROKEN\n", dump->reader.name,
                      offset, name);
        return;
    }
    (void)fprintf(dump->out,
                  "%s 0x%" PRIx64 " checkpoint %s: log goes on in log-%016" PRIx64 " at 0x%" PRIx64
                  " with batch %" PRIu64 "; blocks %" PRIu64 " records %" PRIu64 "\n",
                  dump->reader.name, offset, name, mark.at.segment, mark.at.offset,
                  mark.at.sequence, mark.blocks, mark.records);
}

static int dump_checkpoint(struct dump *dump, const struct numbered_file *file)
{
    uint64_t offset = DISK_BLOCK, end = file->size > DISK_BLOCK ? file->size - DISK_BLOCK : 0;
    const uint8_t *bytes;
    int got = file_reader_get(&dump->reader, 0, DISK_BLOCK, &bytes);

    if (got == 1) {
        dump_mark(dump, 0, CHECKPOINT_HEADER, bytes);
    }
    while (got >= 0 && offset < end) {
        struct checkpoint_block block;
        size_t at = 0;
        struct span record;

        got = checkpoint_block_get(&dump->reader, offset, file->number, &block, &bytes);
        if (got != 1) {
            (void)fprintf(dump->out, "%s 0x%" PRIx64 " checkpoint block BROKEN\n",
                          dump->reader.name, offset);
            offset += DISK_BLOCK;
            continue;
        }
        (void)fprintf(dump->out,
                      "%s 0x%" PRIx64 " checkpoint block %" PRIu32 " records %" PRIu32 "\n",
                      dump->reader.name, offset, block.index, block.record_count);
        struct span all = {bytes + CHECKPOINT_HEAD_SIZE, block.size - CHECKPOINT_HEAD_SIZE};
        while (checkpoint_record_next(all, &at, &record)) {
            dump_record(dump->out, record);
        }
        offset += block_round(block.size);
    }
    got = got < 0 ? got : file_reader_get(&dump->reader, end, DISK_BLOCK, &bytes);
    if (got == 1) {
        dump_mark(dump, end, CHECKPOINT_TRAILER, bytes);
    }
    return got < 0 ? got : 0;
}

static int dump_files(struct dump *dump, const struct inventory *inventory)
{
    char name[DISK_NAME_MAX];
    int error = 0;

    for (size_t i = 0; i < inventory->checkpoint_count && !error; i++) {
        checkpoint_name(inventory->checkpoints[i].number, name);
        error = file_reader_open(&dump->reader, name);
        error = error ? error : dump_checkpoint(dump, &inventory->checkpoints[i]);
    }
    for (size_t i = 0; i < inventory->segment_count && !error; i++) {
        segment_name(inventory->segments[i].number, name);
        error = file_reader_open(&dump->reader, name);
        error = error ? error : dump_segment(dump);
    }
    return error;
}

int journal_dump(const struct disk *disk, FILE *out)
{
    struct dump dump = {.out = out};
    struct inventory inventory;
    int error = inventory_init(&inventory);

    if (error) {
        return error;
    }
    error = file_reader_init(&dump.reader, disk);
    error = error ? error : inventory_read(disk, &inventory);
    error = error ? error : dump_files(&dump, &inventory);
    if (!error && ferror(out)) {
        error = -EIO;
    }
    file_reader_done(&dump.reader);
    inventory_done(&inventory);
    return error;
}
