/* The kernel's files as the journal's disk: contract of disk.h, the lock, and a journal on it. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "disk.h"
#include "journal/journal.h"

static char directory[64];

static void directory_make(void)
{
    (void)snprintf(directory, sizeof(directory), "test_disk.XXXXXX");
    CHECK(mkdtemp(directory) != NULL);
}

static void directory_remove(void)
{
    DIR *stream = opendir(directory);
    const struct dirent *entry;

    CHECK(stream != NULL);
    while ((entry = readdir(stream)) != NULL) {
        (void)unlinkat(dirfd(stream), entry->d_name, 0);
    }
    closedir(stream);
    CHECK_EQ(rmdir(directory), 0);
}

static void count_name(void *arg, const char *name, uint64_t size)
{
    uint64_t *sizes = arg;

    if (strcmp(name, "lock") != 0) {
        sizes[0]++;
        sizes[1] += size;
    }
}

static void run_contract(bool durable)
{
    static uint8_t buf[2 * DISK_BLOCK] __attribute__((aligned(DISK_BLOCK)));
    static uint8_t back[2 * DISK_BLOCK];
    struct disk_dir *dir;
    struct disk_file *file;
    char text[DISK_TEXT_MAX];
    uint64_t sizes[2] = {0, 0};

    directory_make();
    CHECK_EQ(disk_dir_open(directory, true, &dir, text), 0);
    struct disk disk = disk_dir_disk(dir);
    const struct disk_ops *ops = disk.ops;
    memset(buf, 0x77, sizeof(buf));
    CHECK_EQ(ops->open(disk.ctx, "a", false, durable, &file), -ENOENT);
    CHECK_EQ(ops->open(disk.ctx, "a", true, durable, &file), 0);
    CHECK_EQ(ops->write(disk.ctx, file, DISK_BLOCK, buf, sizeof(buf)), 0);
    CHECK_EQ(ops->sync(disk.ctx, file), 0);
    ops->close(disk.ctx, file);
    CHECK_EQ(ops->open(disk.ctx, "a", false, false, &file), 0);
    CHECK_EQ(ops->read(disk.ctx, file, 2 * DISK_BLOCK, back, sizeof(back)), DISK_BLOCK);
    CHECK_MEM(back, buf, DISK_BLOCK);
    CHECK_EQ(ops->read(disk.ctx, file, 3 * DISK_BLOCK, back, sizeof(back)), 0);
    ops->close(disk.ctx, file);
    CHECK_EQ(ops->rename(disk.ctx, "a", "b"), 0);
    CHECK_EQ(ops->rename(disk.ctx, "a", "b"), -ENOENT);
    CHECK_EQ(ops->list(disk.ctx, count_name, sizes), 0);
    CHECK(sizes[0] == 1 && sizes[1] == 3 * DISK_BLOCK);
    CHECK_EQ(ops->open(disk.ctx, "b", true, durable, &file), 0);
    CHECK_EQ(ops->truncate(disk.ctx, file, 0), 0);
    ops->close(disk.ctx, file);
    CHECK_EQ(ops->remove(disk.ctx, "b"), 0);
    CHECK_EQ(ops->remove(disk.ctx, "b"), -ENOENT);
    disk_dir_close(dir);
    directory_remove();
}

static void test_contract(void)
{
    run_contract(false);
    run_contract(true);
}

static void test_lock(void)
{
    struct disk_dir *dir, *second = NULL;
    char text[DISK_TEXT_MAX] = "", expected[64];
    int status = 0;

    directory_make();
    CHECK_EQ(disk_dir_open(directory, true, &dir, text), 0);
    pid_t child = fork();
    if (child == 0) {
        int error = disk_dir_open(directory, true, &second, text);
        (void)snprintf(expected, sizeof(expected), "in use by process %ld", (long)getppid());
        _exit(error == -EBUSY && strstr(text, expected) ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_EQ(disk_dir_open(directory, false, &second, text), 0); /* to look at it is allowed */
    disk_dir_close(second);
    disk_dir_close(dir);
    CHECK_EQ(disk_dir_open(directory, true, &dir, text), 0); /* free again */
    disk_dir_close(dir);
    directory_remove();
    CHECK_EQ(disk_dir_open("no/such/place", true, &dir, text), -ENOENT);
    CHECK(strstr(text, "no/such/place") != NULL);
}

static int count_record(void *ctx, const struct record *record)
{
    (void)record;
    ++*(unsigned *)ctx;
    return 0;
}

static void test_journal_on_files(void)
{
    struct change_ring ring;
    struct disk_dir *dir;
    char text[DISK_TEXT_MAX];
    unsigned told = 0;

    directory_make();
    CHECK_EQ(disk_dir_open(directory, true, &dir, text), 0);
    for (unsigned life = 0; life < 3; life++) {
        struct journal_config config = {.disk = disk_dir_disk(dir),
                                        .segment_size = 64 << 10,
                                        .batch_max = 16 << 10,
                                        .rings = &ring,
                                        .ring_count = 1};
        struct journal_damage damage;
        struct journal *journal = NULL;

        CHECK_EQ(change_ring_init(&ring, 1 << 16), 0);
        told = 0;
        CHECK_EQ(journal_open(&config, count_record, &told, false, &journal, &damage), 0);
        CHECK_EQ(told, life * 30 * 20);
        for (unsigned i = 0; journal && i < 30; i++) {
            for (unsigned k = 0; k < 20; k++) {
                uint8_t *room = change_ring_room(&ring);
                struct span value = {(const uint8_t *)directory, 10};
                change_ring_publish(&ring, CHANGE_SLOT_NONE, record_meta_encode(k, value, room));
            }
            CHECK_EQ(journal_turn(journal), 20);
            CHECK(journal_prepare(journal) >= 0);
        }
        journal_close(journal);
        change_ring_done(&ring);
    }
    disk_dir_close(dir);
    directory_remove();
}

static const struct check_test tests[] = {
    {"contract", test_contract},
    {"lock", test_lock},
    {"journal_on_files", test_journal_on_files},
};

CHECK_MAIN(tests)
