/* The journal's disk as the kernel's files in one directory (the state_dir). Boot thread opens and
 * closes; in between the journal thread and the checkpoint thread use it, each its own files. */
#ifndef TANDEM6D_DISK_H
#define TANDEM6D_DISK_H

#include "base/err.h"
#include "journal/disk.h"

struct disk_dir;

enum {
    DISK_TEXT_MAX = 256
};

/* Opens the directory, made when it is missing. With lock set no other process may have it open
 * that way: -EBUSY otherwise, and reterr names the holder. reterr (DISK_TEXT_MAX octets) is a line
 * for the operator, written on every error. */
int disk_dir_open(const char *path, bool lock, struct disk_dir **ret_dir, char *reterr) MUST_CHECK;
void disk_dir_close(struct disk_dir *dir);

/* Borrows dir. */
struct disk disk_dir_disk(struct disk_dir *dir);

/* True while every durable file so far took O_DIRECT; false: write and fdatasync are in use, which
 * is correct and about half as fast. */
bool disk_dir_is_direct(const struct disk_dir *dir);

#endif
