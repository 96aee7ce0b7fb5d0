/* See disk.h. A durable file is written with O_DIRECT|O_DSYNC; where the file system refuses
 * O_DIRECT (at open, or only at the first write) with write and fdatasync. A name is durable when
 * its directory is synced, so create, rename and remove do that before they return. */
#include "disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME "lock"

enum {
    FILE_MODE = 0640,
    DIR_MODE = 0750
};

struct disk_dir {
    int fd;
    int lock_fd; /* -1: not locked */
    _Atomic bool buffered;
};

struct disk_file {
    int fd;
    bool durable;
    bool direct;
};

static int error_of(int result)
{
    return result < 0 ? -errno : 0;
}

static int dir_sync(const struct disk_dir *dir)
{
    return error_of(fsync(dir->fd));
}

static int file_list(void *ctx, void (*on_name)(void *arg, const char *name, uint64_t size),
                     void *arg)
{
    const struct disk_dir *dir = ctx;
    int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    int error = 0;

    if (!stream) {
        error = -errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return error;
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        struct stat st;

        if (!entry) {
            error = -errno;
            break;
        }
        /* A file that went away between the two calls is no longer in the directory. */
        if (strlen(entry->d_name) < DISK_NAME_MAX &&
            fstatat(dir->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
            on_name(arg, entry->d_name, (uint64_t)st.st_size);
        }
    }
    (void)closedir(stream);
    return error;
}

/* The descriptor, O_DIRECT when *direct asks for it and the file system allows. */
static int file_open_fd(const struct disk_dir *dir, const char *name, int flags, bool *direct)
{
    int fd = -1;

    if (*direct) {
        fd = openat(dir->fd, name, flags | O_DIRECT | O_DSYNC, FILE_MODE);
        if (fd >= 0 || errno != EINVAL) {
            return fd;
        }
        *direct = false;
        /* O_CREAT | O_DIRECT may have made the file before it was refused. */
        flags &= ~O_EXCL;
    }
    return openat(dir->fd, name, flags, FILE_MODE);
}

static int file_open(void *ctx, const char *name, bool create, bool durable,
                     struct disk_file **ret_file)
{
    struct disk_dir *dir = ctx;
    bool direct = durable && !atomic_load_explicit(&dir->buffered, memory_order_relaxed);
    bool wanted = direct, created = false;
    int flags = (create || durable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW;
    struct disk_file *file = malloc(sizeof(*file));
    int fd;

    if (!file) {
        return -ENOMEM;
    }
    fd = file_open_fd(dir, name, flags, &direct);
    if (fd < 0 && errno == ENOENT && create) {
        created = true;
        fd = file_open_fd(dir, name, flags | O_CREAT, &direct);
    }
    if (fd < 0) {
        int error = -errno;
        free(file);
        return error;
    }
    if (created) {
        int error = dir_sync(dir);
        if (error) {
            (void)close(fd);
            free(file);
            return error;
        }
    }
    if (wanted && !direct) {
        atomic_store_explicit(&dir->buffered, true, memory_order_relaxed);
    }
    *file = (struct disk_file){.fd = fd, .durable = durable, .direct = direct};
    *ret_file = file;
    return 0;
}

static void file_close(void *ctx, struct disk_file *file)
{
    (void)ctx;
    (void)close(file->fd);
    free(file);
}

static int write_all(int fd, uint64_t offset, const uint8_t *buf, size_t size)
{
    while (size > 0) {
        ssize_t done = pwrite(fd, buf, size, (off_t)offset);

        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return done < 0 ? -errno : -EIO;
        }
        buf += done;
        offset += (uint64_t)done;
        size -= (size_t)done;
    }
    return 0;
}

/* From O_DIRECT to write and fdatasync, for this file and all later ones. */
static int file_fall_back(struct disk_dir *dir, struct disk_file *file)
{
    int flags = fcntl(file->fd, F_GETFL);

    if (flags < 0 || fcntl(file->fd, F_SETFL, flags & ~O_DIRECT) < 0) {
        return -errno;
    }
    file->direct = false;
    atomic_store_explicit(&dir->buffered, true, memory_order_relaxed);
    return 0;
}

static int file_write(void *ctx, struct disk_file *file, uint64_t offset, const uint8_t *buf,
                      size_t size)
{
    int error = write_all(file->fd, offset, buf, size);

    if (error == -EINVAL && file->direct) {
        error = file_fall_back(ctx, file);
        error = error ? error : write_all(file->fd, offset, buf, size);
    }
    if (!error && file->durable && !file->direct) {
        error = error_of(fdatasync(file->fd));
    }
    return error;
}

static int64_t file_read(void *ctx, struct disk_file *file, uint64_t offset, uint8_t *buf,
                         size_t size)
{
    size_t done = 0;

    (void)ctx;
    while (done < size) {
        ssize_t got = pread(file->fd, buf + done, size - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -errno;
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    return (int64_t)done;
}

static int file_sync(void *ctx, struct disk_file *file)
{
    (void)ctx;
    return error_of(fsync(file->fd));
}

static int file_truncate(void *ctx, struct disk_file *file, uint64_t size)
{
    (void)ctx;
    return error_of(ftruncate(file->fd, (off_t)size));
}

static int file_rename(void *ctx, const char *from, const char *to)
{
    const struct disk_dir *dir = ctx;
    int error = error_of(renameat(dir->fd, from, dir->fd, to));

    return error ? error : dir_sync(dir);
}

static int file_remove(void *ctx, const char *name)
{
    const struct disk_dir *dir = ctx;
    int error = error_of(unlinkat(dir->fd, name, 0));

    return error ? error : dir_sync(dir);
}

struct disk disk_dir_disk(struct disk_dir *dir)
{
    static const struct disk_ops ops = {
        .list = file_list,
        .open = file_open,
        .close = file_close,
        .write = file_write,
        .read = file_read,
        .sync = file_sync,
        .truncate = file_truncate,
        .rename = file_rename,
        .remove = file_remove,
    };
    return (struct disk){&ops, dir};
}

bool disk_dir_is_direct(const struct disk_dir *dir)
{
    return !atomic_load_explicit(&dir->buffered, memory_order_relaxed);
}

/* Who holds the lock, as it wrote itself into the file. */
static void lock_holder(int fd, const char *path, char *reterr)
{
    char text[32] = {0};
    ssize_t got = pread(fd, text, sizeof(text) - 1, 0);
    long pid = got > 0 ? strtol(text, NULL, 10) : 0;

    if (pid > 0) {
        (void)snprintf(reterr, DISK_TEXT_MAX, "%s is in use by process %ld", path, pid);
    } else {
        (void)snprintf(reterr, DISK_TEXT_MAX, "%s is in use by another process", path);
    }
}

/* flock, not a pid file alone: the kernel releases it however the holder ends. */
static int lock_take(struct disk_dir *dir, const char *path, char *reterr)
{
    char text[32];
    int size, error;

    dir->lock_fd = openat(dir->fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (dir->lock_fd < 0) {
        error = -errno;
        (void)snprintf(reterr, DISK_TEXT_MAX, "%s/" LOCK_NAME ": %s", path, strerror(-error));
        return error;
    }
    if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        error = errno == EWOULDBLOCK ? -EBUSY : -errno;
        lock_holder(dir->lock_fd, path, reterr);
        return error;
    }
    size = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    /* The number only helps the message above; a full disk must not stop the start. */
    if (ftruncate(dir->lock_fd, 0) == 0) {
        (void)write_all(dir->lock_fd, 0, (const uint8_t *)text, (size_t)size);
    }
    return 0;
}

int disk_dir_open(const char *path, bool lock, struct disk_dir **ret_dir, char *reterr)
{
    struct disk_dir *dir = calloc(1, sizeof(*dir));
    int error;

    if (!dir) {
        (void)snprintf(reterr, DISK_TEXT_MAX, "%s: no memory", path);
        return -ENOMEM;
    }
    dir->lock_fd = -1;
    dir->fd = -1;
    if (lock && mkdir(path, DIR_MODE) < 0 && errno != EEXIST) {
        error = -errno;
    } else {
        dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        error = dir->fd < 0 ? -errno : 0;
    }
    if (error) {
        (void)snprintf(reterr, DISK_TEXT_MAX, "%s: %s", path, strerror(-error));
    } else if (lock) {
        error = lock_take(dir, path, reterr);
    }
    if (error) {
        disk_dir_close(dir);
        return error;
    }
    *ret_dir = dir;
    return 0;
}

void disk_dir_close(struct disk_dir *dir)
{
    if (!dir) {
        return;
    }
    if (dir->lock_fd >= 0) {
        (void)close(dir->lock_fd);
    }
    if (dir->fd >= 0) {
        (void)close(dir->fd);
    }
    free(dir);
}
