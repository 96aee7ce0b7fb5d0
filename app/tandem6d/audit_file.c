#include "audit_file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct audit_file {
    char path[PATH_MAX], old_path[PATH_MAX];
    int fd; /* -1: to be opened */
    off_t size;
};

static int file_open(struct audit_file *file)
{
    struct stat status;

    file->fd = open(file->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file->fd < 0) {
        return -errno;
    }
    if (fstat(file->fd, &status)) {
        return -errno;
    }
    file->size = status.st_size;
    return 0;
}

int audit_file_open(const char *state_dir, struct audit_file **ret_file)
{
    struct audit_file *file = calloc(1, sizeof(*file));
    int size, err;

    if (file == NULL) {
        return -ENOMEM;
    }
    size = snprintf(file->path, sizeof(file->path), "%s/audit.log", state_dir);
    (void)snprintf(file->old_path, sizeof(file->old_path), "%.*s.1", PATH_MAX - 4, file->path);
    file->fd = -1;
    err = size < PATH_MAX - 4 ? file_open(file) : -ENAMETOOLONG;
    if (err) {
        audit_file_close(file);
        return err;
    }
    *ret_file = file;
    return 0;
}

void audit_file_close(struct audit_file *file)
{
    if (file && file->fd >= 0) {
        (void)close(file->fd);
    }
    free(file);
}

static int file_turn(struct audit_file *file)
{
    (void)close(file->fd);
    file->fd = -1;
    return rename(file->path, file->old_path) ? -errno : 0;
}

int audit_file_append(struct audit_file *file, const char *line)
{
    size_t length = strlen(line);
    struct iovec parts[] = {{(void *)(uintptr_t)line, length}, {(void *)(uintptr_t) "\n", 1}};
    ssize_t written;
    int err = 0;

    if (file->fd >= 0 && file->size + (off_t)length + 1 > AUDIT_FILE_MAX) {
        err = file_turn(file);
    }
    if (err == 0 && file->fd < 0) {
        err = file_open(file);
    }
    if (err) {
        return err;
    }
    written = writev(file->fd, parts, 2);
    if (written != (ssize_t)length + 1) {
        err = written < 0 ? -errno : -ENOSPC;
        (void)!ftruncate(file->fd, file->size); /* half a line would spoil the next one */
        return err;
    }
    file->size += written;
    return 0;
}
